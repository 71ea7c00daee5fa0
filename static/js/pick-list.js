// <pick-list> moves through a list of choices by the arrow keys: with a [role=combobox] in it the focus stays there, what is typed leaves only the choices
// that hold it, and Enter takes the marked one; without, the focus moves. In a popover it closes it when a choice was taken, or by a control with data-hides, and gives the browser's Back
// button something to close; a link that fetches the choices (hx-target is the listbox) opens it at once, so that the next key is already typed into it.
customElements.define("pick-list", class extends HTMLElement {
  #box; #at = 0; #stood = false
  connectedCallback() {
    for (const name of ["input", "keydown", "pointermove", "submit"]) this.addEventListener(name, this)
    this.#box = this.closest("[popover]")
    this.#box?.addEventListener("toggle", this)
    for (const name of ["click", "htmx:after:swap", "unpick"]) document.addEventListener(name, this)
    this.#mark(0)
  }
  disconnectedCallback() {
    for (const name of ["click", "htmx:after:swap", "unpick"]) document.removeEventListener(name, this)
    this.#box?.removeEventListener("toggle", this)
    this.#leave()
  }
  get #list() { return this.querySelector("[role=listbox], [role=group]") }
  get #input() { return this.querySelector("[role=combobox]") }
  get #items() { return [...this.querySelectorAll("[role=option], .menu__item")].filter(item => !item.hidden) }
  handleEvent(event) {
    if (event.type === "toggle") return event.newState === "open" ? this.#stand() : this.#leave()
    if (event.type === "unpick") return this.#emptied()
    // One of a step back before ours comes late.
    if (event.type === "hashchange") return location.hash === `#${this.#box.id}` || this.#leave(true)
    if (event.type === "click" && this.#box && this.contains(event.target) && event.target.closest("[data-hides]")) { event.preventDefault(); return this.#box.hidePopover() }
    if (event.type === "click" && this.contains(event.target)) return event.target.closest("button[form]") && void setTimeout(() => this.#box?.hidePopover())
    if (event.type === "click") return this.#fetched(event, this.#list && event.target.closest?.(`[hx-target="#${this.#list.id}"]`))
    if (event.type === "htmx:after:swap") return this.#list && event.detail.ctx?.target === this.#list && this.#came()
    if (event.type === "submit") return void setTimeout(() => this.#box?.hidePopover())
    if (event.type === "input" && event.target === this.#input) this.#filter()
    else if (event.type === "keydown") this.#keydown(event)
    else if (event.type === "pointermove" && this.#input) { const at = this.#items.indexOf(event.target.closest("[role=option]")); if (at >= 0) this.#mark(at) }
  }
  #fetched(event, link) {
    if (!link || !this.#box || event.ctrlKey || event.metaKey || event.shiftKey) return
    this.#list.replaceChildren()
    if (this.#input) this.#input.value = ""
    const menu = link.closest("[popover]"), source = menu ? document.querySelector(`[popovertarget="${menu.id}"]`) : link
    menu?.matches(":popover-open") && menu.hidePopover()
    this.#box.showPopover({ source })
  }
  #emptied() {
    const fields = this.querySelectorAll("input[form]")
    for (const field of fields) field.value = ""
    if (fields.length && this.#box?.matches(":popover-open")) this.#box.hidePopover()
  }
  #came() { this.#input ? this.#filter() : this.#items[0]?.focus() }
  #keydown(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key], items = this.#items
    if (event.isComposing || !items.length || event.target.matches("input:not([role=combobox]), textarea")) return
    if (step && this.#input) this.#mark((this.#at + step + items.length) % items.length)
    else if (step) items[(items.indexOf(document.activeElement) + step + items.length) % items.length].focus()
    else if (event.key === "Enter" && event.target === this.#input) items[this.#at].click()
    else return
    event.preventDefault()
  }
  #filter() {
    const words = this.#input.value.trim().toLowerCase()
    for (const item of this.querySelectorAll("[role=option]")) item.tabIndex = -1, item.hidden = !item.textContent.toLowerCase().includes(words)
    this.querySelector("[data-none]").hidden = this.#items.length > 0
    this.#mark(0)
  }
  #mark(at) {
    if (!this.#input) return
    this.#at = at
    this.#items.forEach((item, place) => { item.id = `${this.#list.id}-${place}`; item.setAttribute("aria-selected", place === at) })
    const item = this.#items[at]
    item ? this.#input.setAttribute("aria-activedescendant", item.id) : this.#input.removeAttribute("aria-activedescendant")
    item?.scrollIntoView({ block: "nearest" })
  }
  // The step is one to a fragment: htmx leaves those alone, so that going back closes the list and nothing else. A list that is opened while another's
  // step back is still under way waits for it, else that step would take back this one's.
  static #leaving = null
  async #stand() {
    await this.constructor.#leaving
    if (this.#stood || !this.#box.matches(":popover-open")) return
    this.#stood = true
    history.pushState(history.state, "", `#${this.#box.id}`)
    addEventListener("hashchange", this)
  }
  #leave(gone = false) {
    removeEventListener("hashchange", this)
    const stood = this.#stood, own = this.constructor
    this.#stood = false
    if (gone) this.#box.hidePopover()
    else if (stood) {
      own.#leaving = new Promise(left => addEventListener("popstate", left, { once: true })).then(() => { own.#leaving = null })
      history.back()
    }
  }
})
