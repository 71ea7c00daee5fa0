// <late-picture> holds an <img> whose copy may still be on its way: the server says 503 until it is there, and it is asked for again, five times in all.
customElements.define("late-picture", class extends HTMLElement {
  #tries = 0; #timer
  connectedCallback() { this.addEventListener("error", this, true); if (this.#late) this.handleEvent() }
  disconnectedCallback() { this.removeEventListener("error", this, true); clearTimeout(this.#timer) }
  get #image() { return this.querySelector("img") }
  get #late() { return this.#image?.complete && !this.#image.naturalWidth && this.#image.loading !== "lazy" }
  handleEvent() {
    if (this.#tries++ >= 5) return this.toggleAttribute("missing", true)
    clearTimeout(this.#timer)
    const image = this.#image, source = new URL(image.src)
    source.searchParams.set("again", this.#tries)
    this.#timer = setTimeout(() => { image.src = source.href }, 500 * 2 ** this.#tries)
  }
})
