// <say-aloud> is the page's one voice for screen readers: `say` events {text, about, urgent} are spoken politely, at most one sentence every 3 s, and of
// several about the same thing only the newest. Urgent ones (a failed send, signed out) speak at once.
customElements.define("say-aloud", class extends HTMLElement {
  #waiting = new Map(); #timer
  connectedCallback() { document.addEventListener("say", this) }
  disconnectedCallback() { document.removeEventListener("say", this); clearTimeout(this.#timer) }
  handleEvent({ detail: { text, about = text, urgent } }) {
    if (urgent) return void (this.querySelector("[role=alert]").textContent = text)
    this.#waiting.delete(about)
    this.#waiting.set(about, text)
    this.#timer ??= setTimeout(() => this.#speak(), 100)
  }
  #speak() {
    const [next] = this.#waiting
    if (!next) return void (this.#timer = null)
    this.#waiting.delete(next[0])
    this.querySelector("[role=status]").textContent = next[1]
    this.#timer = setTimeout(() => this.#speak(), 3000)
  }
})
