// <row-nav for="queue" bulk="bulk" keys="next:j prev:k pick:x …"> is the cursor of a grid of rows: one row holds the tab stop, arrows and keys move
// it, picks live in the rows' boxes, and the bulk bar shows while something is picked. A key of `opens` means the row of the
// cursor while none is open. The open conversation is named by [data-open] of the talk; opened once more it is no other place in the history.
// What Enter opened has the focus on its heading, and so has what came in the place of something focused; J goes on from there.
customElements.define("row-nav", class extends HTMLElement {
  #anchor; #entered
  connectedCallback() {
    for (const name of ["key", "shown", "leaving", "go-on", "unpick", "htmx:after:swap", "htmx:before:history:update", "htmx:after:history:update"]) document.addEventListener(name, this)
    for (const name of ["keydown", "change", "focusin"]) this.#list?.addEventListener(name, this)
    this.#sync()
  }
  disconnectedCallback() {
    for (const name of ["key", "shown", "leaving", "go-on", "unpick", "htmx:after:swap", "htmx:before:history:update", "htmx:after:history:update"]) document.removeEventListener(name, this)
    for (const name of ["keydown", "change", "focusin"]) this.#list?.removeEventListener(name, this)
  }
  get #list() { return document.getElementById(this.getAttribute("for")) }
  get #rows() { return [...(this.#list?.querySelectorAll(":scope > [data-key]:not([hidden], [data-leaving])") ?? [])] }
  get #cursor() { return this.#list?.querySelector("[data-key]:has([tabindex='0'])") }
  get #acts() { return Object.fromEntries((this.getAttribute("keys") ?? "next:j prev:k pick:x range:X all:A none:Escape first:Home last:End").split(" ").map(pair => pair.split(":").reverse())) }
  handleEvent(event) {
    if (event.type === "key") this.#key(event, this.#acts[event.detail.key] ?? { ArrowDown: "next", ArrowUp: "prev" }[event.detail.key])
    else if (event.type === "keydown") this.#keydown(event)
    else if (event.type === "change") this.#pick(event.target.closest("[data-key]"), event.target.checked)
    else if (event.type === "focusin") event.target.matches("[id$='-open']") && this.#point(event.target)
    else if (event.type === "unpick") this.#unpick()
    else if (event.type === "leaving") this.#leaving(event.target)
    else if (event.type === "go-on") this.#link(this.#cursor)?.click()
    else if (event.type === "htmx:before:history:update") this.#stay(event.detail.history)
    else this.#sync(event.detail?.ctx?.target?.id)
  }
  #stay(to) { if (to.path.split("#")[0] === location.pathname + location.search) to.type = "replace" }
  #keydown(event) {
    this.#entered = event.key === "Enter"
    const act = { ArrowDown: "next", ArrowUp: "prev", Home: "first", End: "last", ArrowRight: "open" }[event.key]
    if (act && !event.ctrlKey && !event.metaKey && !event.altKey) this.#key(event, act)
  }
  #key(event, act) {
    const rows = this.#rows, place = rows.indexOf(this.#cursor), opens = (this.getAttribute("opens") ?? "").split(" ")
    // key-map waits for it; asked for twice, it would come twice, and the key be lost with the second.
    const link = this.#link(rows[place])
    if (this.#inside && opens.includes(event.detail?.key) && !document.querySelector("[data-open]")) return link?.matches(".htmx-request") || link?.click()
    if (!act || !rows.length || !this.#list.checkVisibility()) return
    const to = { next: rows[this.#inside || document.activeElement === this.#heading ? place + 1 : Math.max(place, 0)], prev: rows[place - 1], first: rows[0], last: rows.at(-1) }[act]
    if (to) this.#focus(to)
    else if (act === "open") this.#link(rows[place])?.click()
    else if (act === "pick") this.#pick(rows[place], !rows[place].hasAttribute("data-picked"))
    else if (act === "range") this.#range(rows, place)
    else if (act === "all") for (const row of rows) this.#pick(row, true)
    else if (act === "none" && this.#picked.length) this.#unpick()
    else return
    event.preventDefault()
  }
  get #heading() { return document.querySelector("#talk .bar__title") }
  get #inside() { return this.#list.contains(document.activeElement) }
  get #picked() { return [...this.#list.querySelectorAll(":scope > [data-picked]")] }
  #link(row) { return row?.querySelector("[id$='-open']") }
  #focus(row) { const link = this.#link(row); this.#point(link); link.focus({ preventScroll: true }); row.scrollIntoView({ block: "nearest" }) }
  #point(link) {
    for (const other of this.#list.querySelectorAll("[tabindex='0'][id$='-open']")) if (other !== link) other.tabIndex = -1
    if (link) link.tabIndex = 0
  }
  #range(rows, place) { const from = Math.max(0, rows.indexOf(this.#anchor)); for (const row of rows.slice(Math.min(from, place), Math.max(from, place) + 1)) this.#pick(row, true) }
  #pick(row, on) {
    if (!row || "gone" in row.dataset) return
    row.querySelector("[type=checkbox]").checked = on
    row.toggleAttribute("data-picked", on)
    row.setAttribute("aria-selected", on)
    this.#anchor = row
    this.#bulk()
  }
  #unpick() {
    const lost = !this.#inside && (document.activeElement === document.body || !!document.activeElement.closest(`#${this.getAttribute("bulk")}`))
    for (const row of this.#picked) this.#pick(row, false)
    this.#bulk()
    if (lost && this.#cursor) this.#focus(this.#cursor)
  }
  #bulk() {
    const bar = document.getElementById(this.getAttribute("bulk")), count = this.#picked.length
    if (!bar) return
    const form = new Intl.PluralRules(document.documentElement.lang || "en").select(count), output = bar.querySelector("[data-count]")
    if (count) output.textContent = (output.dataset[`text${form[0].toUpperCase()}${form.slice(1)}`] ?? output.dataset.textOther ?? "%d").replace("%d", count)
    bar.hidden = !count
  }
  #leaving(row) {
    const rows = this.#rows.filter(other => other !== row), next = rows.find(other => row.compareDocumentPosition(other) & Node.DOCUMENT_POSITION_FOLLOWING) ?? rows.at(-1)
    if (!next || !this.#list.contains(row)) return
    if (row === this.#cursor || row.getAttribute("aria-current") === "true") row.contains(document.activeElement) || document.activeElement.closest("[popover]") || document.activeElement === document.body ? this.#focus(next) : this.#point(this.#link(next))
  }
  // What is the same for every row is not sent with each.
  #dress(row) {
    row.setAttribute("aria-selected", "false")
    for (const control of row.querySelectorAll(".row__box, .row__open")) if (!control.hasAttribute("tabindex")) control.tabIndex = -1
  }
  #sync(swapped) {
    if (swapped === "talk" && (this.#entered || document.activeElement === document.body)) this.#entered = this.#heading?.focus({ preventScroll: true })
    const open = document.querySelector("[data-open]")?.dataset.open
    for (const row of this.#list?.querySelectorAll(":scope > [data-key]") ?? []) {
      const current = !!open && row.id === `conversation-${open}`
      if (current !== (row.getAttribute("aria-current") === "true")) current ? row.setAttribute("aria-current", "true") : row.removeAttribute("aria-current")
      if (current && row.hasAttribute("data-unread")) row.removeAttribute("data-unread")
      if (row.matches("[role=row]:not([aria-selected])")) this.#dress(row)
    }
    if (!this.#cursor) this.#point(this.#link(this.#list?.querySelector("[aria-current=true]")) ?? this.#link(this.#rows[0]))
  }
})
