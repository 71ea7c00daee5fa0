// <command-palette url="/palette/"> holds the dialog of "Find or do". "Do" rows are the controls of the page that carry data-does, so nothing is
// registered twice; the rest (go, find, answer) is one GET ?q= answered with role=option links, and last the search for the words. A first letter narrows: > do, # tag, @ person, ? help.
customElements.define("command-palette", class extends HTMLElement {
  #timer; #abort; #chosen = 0
  connectedCallback() { for (const name of ["input", "keydown", "click", "beforetoggle", "pointermove"]) this.addEventListener(name, this, true) }
  disconnectedCallback() { clearTimeout(this.#timer); this.#abort?.abort() }
  get #dialog() { return this.querySelector("dialog") }
  get #input() { return this.querySelector("[role=combobox]") }
  get #list() { return this.querySelector("[role=listbox]") }
  get #items() { return [...this.#list.querySelectorAll("[role=option]")] }
  handleEvent(event) {
    if (event.type === "beforetoggle" && event.newState === "open") { this.#input.value = ""; this.#ask() }
    else if (event.type === "input") this.#ask()
    else if (event.type === "keydown") this.#keydown(event)
    else if (event.type === "click" && event.target === this.#dialog) this.#dialog.close()
    else if (event.type === "click") this.#do(event.target.closest("[role=option]"), event)
    else if (event.type === "pointermove") { const at = this.#items.indexOf(event.target.closest("[role=option]")); if (at >= 0 && at !== this.#chosen) this.#choose(at) }
  }
  #keydown(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key]
    if (event.isComposing) return
    if (step) { event.preventDefault(); this.#choose((this.#chosen + step + this.#items.length) % this.#items.length) }
    else if (event.key === "Enter") { event.preventDefault(); this.#items[this.#chosen]?.click() }
  }
  #ask() {
    clearTimeout(this.#timer); this.#abort?.abort()
    const said = this.#input.value.trim(), only = [">", "#", "@", "?"].find(mark => said.startsWith(mark)), words = said.slice(only ? 1 : 0).trim()
    this.#show(only === "?" ? this.#help : !only || only === ">" ? this.#acts(words.toLowerCase()) : [], [])
    const asks = only !== ">" && only !== "?" && words
    this.#say(asks || !said ? "" : this.#items.length || (only && !words) ? "" : this.dataset.textNone)
    if (!asks) return
    this.#timer = setTimeout(() => this.#fetch(said), 120)
  }
  async #fetch(said) {
    this.#abort = new AbortController()
    const url = new URL(this.getAttribute("url"), location.href)
    url.searchParams.set("q", said)
    const { signal } = this.#abort, answer = await fetch(url, { signal, headers: { "HX-Request": "true" } }).catch(() => null)
    if (signal.aborted) return
    const text = answer?.ok ? await answer.text() : "", found = new DOMParser().parseFromString(text, "text/html").querySelectorAll("[role=option]")
    if (signal.aborted) return
    const acts = this.#items.filter(item => item.does), words = said.replace(/^[#@]/, "").trim()
    this.#say(!answer?.ok || acts.length || found.length ? "" : this.dataset.textNone)
    this.#show(acts, [...found].map(item => document.importNode(item, true)), this.hasAttribute("search") ? this.#search(words) : [])
  }
  #say(text) { const none = this.querySelector("[data-none]"); if (none.textContent !== text) none.textContent = text }
  get #help() { return [...document.querySelectorAll("[data-does][data-key='?']")].map(control => this.#act(control)) }
  #item(text, hint) {
    const item = this.querySelector("template").content.firstElementChild.cloneNode(true)
    item.querySelector("[data-text]").textContent = text
    item.querySelector("[data-hint]").textContent = hint
    return item
  }
  #search(words) {
    const item = this.#item(this.dataset.textSearch.replace("%s", words), "")
    item.querySelector("[data-sort]").textContent = this.dataset.search
    item.goes = `${this.getAttribute("search")}?${new URLSearchParams({ q: words })}`
    return [item]
  }
  #acts(words) {
    const controls = [...document.querySelectorAll("[data-does]")].filter(control => this.#isThere(control) && !control.disabled && control.getAttribute("aria-disabled") !== "true")
    return controls.filter(control => words.split(" ").every(word => control.dataset.does.toLowerCase().includes(word))).slice(0, 8).map(control => this.#act(control))
  }
  // To be seen, or behind a menu whose button is.
  #isThere(control) {
    const menu = control.closest("[popover]:not(:popover-open)"), seen = menu ? document.querySelector(`[popovertarget="${menu.id}"]`) : control
    return !!seen?.checkVisibility({ visibilityProperty: true })
  }
  #act(control) {
    const item = this.#item(control.dataset.does, (control.dataset.key ?? "").replace(/^[A-Z]$/, "⇧$&").replace("Mod+", "Ctrl ").toUpperCase())
    item.does = control
    return item
  }
  #show(acts, found, last = []) {
    this.#list.replaceChildren(...acts, ...found, ...last)
    this.#items.forEach((item, place) => { item.id = `palette-${place}`; item.tabIndex = -1 })
    this.#choose(0)
  }
  #choose(place) {
    this.#chosen = place
    this.#items.forEach((item, at) => item.setAttribute("aria-selected", at === place))
    const item = this.#items[place]
    item ? this.#input.setAttribute("aria-activedescendant", item.id) : this.#input.removeAttribute("aria-activedescendant")
    item?.scrollIntoView({ block: "nearest" })
  }
  #do(item, event) {
    if (!item) return
    if (item.does) event.preventDefault()
    this.#dialog.close()
    if (item.goes) return location.assign(item.goes)
    if (item.does) item.does.matches("input:not([type=submit]), textarea, select") ? item.does.focus() : item.does.click()
  }
})
