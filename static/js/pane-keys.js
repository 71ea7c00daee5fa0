// <pane-keys next="F6" before="[" after="]" page="Space" up="Shift+Space" back="Escape"> moves between the panes of a page: to the next pane, the view before and
// after, a screenful of the open thread, from the thread back to its row. Controls with data-folds="views" fold the views pane; a cookie keeps it, so
// that the next page comes folded from the server.
customElements.define("pane-keys", class extends HTMLElement {
  connectedCallback() { for (const name of ["key", "click"]) document.addEventListener(name, this) }
  disconnectedCallback() { for (const name of ["key", "click"]) document.removeEventListener(name, this) }
  handleEvent(event) {
    if (event.type === "click") return event.target.closest?.("[data-folds]") && this.#fold()
    const act = [...this.attributes].find(({ value }) => value === event.detail.key)?.name
    const did = act && { next: () => this.#next(), before: () => this.#view(-1), after: () => this.#view(1), page: () => this.#scroll(1), up: () => this.#scroll(-1), back: () => this.#back() }[act]?.()
    if (did) event.preventDefault()
  }
  get #panes() { return [...document.querySelectorAll(".views, .queue, .talk[data-open], .aside, .page")].filter(pane => pane.checkVisibility()) }
  #next() {
    const panes = this.#panes, at = panes.findIndex(pane => pane.contains(document.activeElement)), pane = panes[(at + 1) % panes.length]
    const place = pane?.querySelector(".view[aria-current], [id$='-open'][tabindex='0'], h2[tabindex], h1[tabindex]") ?? pane?.querySelector("a[href], button, input, [tabindex='0']")
    place?.focus()
    return !!place
  }
  #view(step) {
    const views = [...document.querySelectorAll("#pane-counts a.view")], to = views[views.findIndex(view => view.hasAttribute("aria-current")) + step]
    to?.click()
    return !!to
  }
  #scroll(way) {
    const box = document.querySelector("[data-open] [data-scroller]")
    box?.scrollBy({ top: way * box.clientHeight * 0.85 })
    return !!box
  }
  #back() {
    const row = document.querySelector(".queue [id$='-open'][tabindex='0']")
    // What is open closes first.
    if (!row?.checkVisibility() || !document.activeElement?.closest("[data-open]") || document.querySelector(":popover-open")) return false
    row.focus()
    return true
  }
  #fold() {
    const desk = document.querySelector(".desk"), folded = desk.toggleAttribute("data-folded")
    document.cookie = `views=${folded ? "folded" : ""}; path=/; max-age=31536000; samesite=lax`
    for (const control of document.querySelectorAll("[data-folds]")) control.setAttribute("aria-expanded", !folded)
  }
})
