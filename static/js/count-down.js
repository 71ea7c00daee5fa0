// <count-down until="2026-11-20T10:42:08Z" data-text="Sending in %d s" data-text-done="Sending"> says each second how long it still takes.
customElements.define("count-down", class extends HTMLElement {
  #timer
  connectedCallback() { this.#timer = setInterval(() => this.#tick(), 1000); this.#tick() }
  disconnectedCallback() { clearInterval(this.#timer) }
  #tick() {
    const left = Math.ceil((Date.parse(this.getAttribute("until")) - Date.now()) / 1000)
    const text = left > 0 ? this.dataset.text.replace("%d", left) : this.dataset.textDone
    if (this.textContent !== text) this.textContent = text
    if (left <= 0) { clearInterval(this.#timer); this.toggleAttribute("over", true) }
  }
})
