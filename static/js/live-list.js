// <live-list for="queue" url="/views/support/" mark="team:3=812"> asks its URL what changed since its mark whenever a bell names a later number.
// Held rows are morphed where they stand; new rows wait behind the button; rows that left stay, greyed; only the user's own act moves anything.
customElements.define("live-list", class extends HTMLElement {
  #waiting = new Map(); #busy = false; #again = false; #own = false
  connectedCallback() {
    for (const name of ["bell", "poll", "ask"]) document.addEventListener(name, this)
    this.addEventListener("click", this)
    this.dispatchEvent(new CustomEvent("watch", { bubbles: true }))
  }
  disconnectedCallback() { for (const name of ["bell", "poll", "ask"]) document.removeEventListener(name, this) }
  handleEvent(event) {
    if (event.type === "bell") this.#bell(event.detail)
    else if (event.type === "click") event.target.closest("[data-show]") && this.show()
    else { this.#own ||= event.type === "ask"; this.#ask() }
  }
  get #list() { return document.getElementById(this.getAttribute("for")) }
  get #rows() { return [...this.#list.querySelectorAll(":scope > [data-key]")] }
  get #idle() { return this.#list.scrollTop < 4 && !this.#list.matches(":focus-within, :hover, :has([data-picked])") }
  #bell({ stream, number }) {
    const mark = this.getAttribute("mark").split(" ").map(part => part.split("=")).find(([name]) => name === stream)
    if (mark && number > +mark[1]) this.#ask()
  }
  async #ask() {
    if (this.#busy) return void (this.#again = true)
    this.#busy = true
    const [own, url] = [this.#own, new URL(this.getAttribute("url"), location.href)]
    this.#own = false
    url.searchParams.set("since", this.getAttribute("mark"))
    url.searchParams.set("held", this.#rows.length)
    const answer = await fetch(url, { headers: { "HX-Request": "true" } }).catch(() => null)
    if (answer?.ok && answer.headers.has("X-Mark")) this.#take(new DOMParser().parseFromString(await answer.text(), "text/html").body, answer.headers, own)
    this.dispatchEvent(new CustomEvent("answered", { bubbles: true, detail: { ok: !!answer, failed: answer?.status >= 500, build: answer?.headers.get("X-Build") } }))
    await new Promise(done => setTimeout(done, 500 + Math.random() * 200))
    this.#busy = false
    if (this.#again) { this.#again = false; this.#ask() }
  }
  #take(answer, headers, own) {
    if (!this.isConnected) return
    const last = this.#rows.at(-1)?.dataset.key ?? ""
    if (headers.has("X-Whole")) for (const row of this.#rows) if (!answer.querySelector(`[id="${row.id}"]`)) this.#left(row)
    for (const row of answer.querySelectorAll(":scope > [data-key]")) {
      const held = document.getElementById(row.id)
      if (held) htmx.swap({ target: held, text: row.outerHTML, swap: "outerMorph", sourceElement: held })
      else if ("gone" in row.dataset) this.#waiting.delete(row.id)
      else if (row.dataset.key > last || !this.#list.querySelector("[data-more]")) this.#waiting.set(row.id, row)
    }
    const [marks, held] = [answer.querySelector("agent-marks"), document.querySelector(`agent-marks[for="${this.getAttribute("for")}"]`)]
    if (marks && held) for (const { name, value } of marks.attributes) if (name !== "for") held.setAttribute(name, value)
    this.setAttribute("mark", headers.get("X-Mark"))
    const bulk = this.querySelector("form [name=mark]")
    if (bulk) bulk.value = headers.get("X-Mark")
    this.#total(headers.get("X-Total"))
    own || this.#idle ? this.show(own) : this.#say()
  }
  #total(total) {
    const facts = this.querySelector(".bar__facts[data-text]")
    if (!facts || total === null) return
    facts.textContent = facts.dataset.text.replace("%d", total)
    this.#list.setAttribute("aria-rowcount", total)
  }
  #left(row) {
    row.dataset.gone = this.dataset.textGone ?? ""
    row.querySelector(".row__mark")?.replaceChildren(row.dataset.gone)
  }
  show(still = false) {
    const [list, top] = [this.#list, this.#list.scrollTop]
    const leaving = this.#rows.filter(row => "gone" in row.dataset), held = leaving.find(row => row.matches(":focus-within"))
    const rows = this.#rows, next = still && held ? [...rows.slice(rows.indexOf(held)), ...rows.slice(0, rows.indexOf(held)).reverse()].find(row => !leaving.includes(row)) : null
    // The reader's own act takes the row from under the focus, which goes on to the next one.
    next?.querySelector("a")?.focus({ preventScroll: true })
    for (const row of leaving) if (!row.matches(":focus-within")) row.remove()
    for (const row of this.#waiting.values()) list.prepend(document.importNode(row, true))
    this.#waiting.clear()
    const more = list.querySelector("[data-more]")
    for (const row of this.#rows.sort((a, b) => a.dataset.key < b.dataset.key ? 1 : -1)) list.moveBefore ? list.moveBefore(row, more) : list.insertBefore(row, more)
    htmx.process(list)
    list.scrollTop = still ? top : 0
    list.dispatchEvent(new CustomEvent("shown", { bubbles: true }))
    this.#say()
  }
  #say() {
    const buttons = this.querySelectorAll("[data-show]"), count = this.#waiting.size, was = +buttons[0].dataset.count
    const form = new Intl.PluralRules(document.documentElement.lang || "en").select(count)
    const text = kind => (this.dataset[`${kind}${form[0].toUpperCase()}${form.slice(1)}`] ?? this.dataset[`${kind}Other`] ?? "%d").replace("%d", count)
    for (const button of buttons) { button.dataset.count = count; button.textContent = count ? text("pill") : "" }
    if (count > was) this.dispatchEvent(new CustomEvent("say", { bubbles: true, detail: { text: text("say"), about: "queue" } }))
  }
})
