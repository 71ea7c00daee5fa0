// <row-presence for="queue-rows"><ul><li data-of="7" data-at="1795…" data-left="58">Max is replying</li></ul></row-presence> puts what its lines say on the
// rows of a list and takes it off again: when the line is gone, or when nobody renewed it for as long as it was to be true.
customElements.define("row-presence", class extends HTMLElement {
  #timer; #until = new Map()
  #seen = new MutationObserver(() => this.#read())
  connectedCallback() {
    this.#seen.observe(this, { childList: true, subtree: true, attributes: true, characterData: true })
    for (const name of ["shown", "htmx:after:swap"]) document.addEventListener(name, this)
    this.#read()
  }
  disconnectedCallback() {
    this.#seen.disconnect(); clearTimeout(this.#timer)
    for (const name of ["shown", "htmx:after:swap"]) document.removeEventListener(name, this)
  }
  handleEvent(event) { if (event.type === "shown" || event.target.closest?.(`[id="${this.getAttribute("for")}"]`)) this.#mark() }
  #read() {
    const held = this.#until
    this.#until = new Map()
    for (const line of this.querySelectorAll("[data-of]")) {
      const key = `${line.dataset.of} ${line.dataset.at}`
      this.#until.set(key, held.get(key) ?? { of: line.dataset.of, says: line.textContent, end: Date.now() + line.dataset.left * 1000 })
    }
    this.#mark()
  }
  #mark() {
    clearTimeout(this.#timer)
    const now = Date.now(), fresh = [...this.#until.values()].filter(({ end }) => end > now), told = new Map(fresh.map(({ of, says }) => [`conversation-${of}`, says]))
    for (const mark of document.querySelectorAll(`[id="${this.getAttribute("for")}"] > [data-key] .row__mark`)) {
      const says = told.get(mark.closest("[data-key]").id)
      if (mark.dataset.here !== says) says ? mark.dataset.here = says : delete mark.dataset.here
    }
    if (fresh.length) this.#timer = setTimeout(() => this.#mark(), Math.min(...fresh.map(({ end }) => end)) - now + 100)
  }
})
