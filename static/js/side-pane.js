// <side-pane name="person"> holds a pane that can be put away: beside the others where there is room (remembered in this browser), over them where
// there is not. Controls with data-toggles="person" switch it; Esc or a click outside closes it when it lies over the others.
customElements.define("side-pane", class extends HTMLElement {
  #wide = matchMedia("(width >= 80rem)")
  get #key() { return `pane:${this.getAttribute("name")}` }
  connectedCallback() {
    this.toggleAttribute("folded", localStorage.getItem(this.#key) === "folded")
    document.addEventListener("click", this)
    document.addEventListener("keydown", this)
    this.#tell()
  }
  disconnectedCallback() { document.removeEventListener("click", this); document.removeEventListener("keydown", this) }
  handleEvent(event) {
    const control = event.type === "click" && event.target.closest(`[data-toggles="${this.getAttribute("name")}"]`)
    if (control) this.#toggle()
    else if (this.hasAttribute("open") && (event.type === "click" ? !this.contains(event.target) : event.key === "Escape")) { event.preventDefault(); this.toggleAttribute("open", false); this.#tell() }
  }
  #toggle() {
    if (this.#wide.matches) localStorage.setItem(this.#key, this.toggleAttribute("folded") ? "folded" : "open")
    else if (this.toggleAttribute("open")) this.querySelector("h2, a, button")?.focus()
    this.#tell()
  }
  #tell() {
    const shown = this.#wide.matches ? !this.hasAttribute("folded") : this.hasAttribute("open")
    for (const control of document.querySelectorAll(`[data-toggles="${this.getAttribute("name")}"]`)) control.setAttribute("aria-expanded", shown)
  }
})
