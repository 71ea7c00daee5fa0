// <search-box for="search-hits"> around a field: the arrow down leads from what is typed into the list of what was found, the arrow up leads back from
// its first row, and Escape gives the keys back to the page.
customElements.define("search-box", class extends HTMLElement {
  connectedCallback() { for (const name of ["keydown", "key"]) document.addEventListener(name, this, true) }
  disconnectedCallback() { for (const name of ["keydown", "key"]) document.removeEventListener(name, this, true) }
  get #input() { return this.querySelector("input") }
  get #rows() { return [...document.querySelectorAll(`#${this.getAttribute("for")} [id$='-open']`)] }
  handleEvent(event) {
    if (event.isComposing || event.keyCode === 229 || event.ctrlKey || event.metaKey || event.altKey) return
    const [first] = this.#rows
    if (event.target === this.#input && event.key === "Escape") return this.#input.blur()
    if (!first || !(event.target === this.#input ? event.key === "ArrowDown" : event.target === first && event.key === "ArrowUp")) return
    event.preventDefault(); event.stopPropagation()
    event.target === first ? this.#input.focus() : first.focus()
  }
})
