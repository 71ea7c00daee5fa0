// <copy-text for="callback-url" data-text-done="Copied"><button>…</button></copy-text> copies the text or value of an element, without `for` what its form's
// box holds, and says so on its button.
customElements.define("copy-text", class extends HTMLElement {
  #timer
  connectedCallback() { this.addEventListener("click", this) }
  disconnectedCallback() { clearTimeout(this.#timer) }
  async handleEvent() {
    const source = document.getElementById(this.getAttribute("for")) ?? this.closest("form").elements.text, label = this.querySelector("[data-label]") ?? this.querySelector("button")
    try { await navigator.clipboard.writeText(source.value ?? source.textContent.trim()) }
    catch { source.select ? source.select() : getSelection().selectAllChildren(source); return }
    this.dataset.was ??= label.textContent
    label.textContent = this.dataset.textDone
    this.dispatchEvent(new CustomEvent("say", { bubbles: true, detail: { text: this.dataset.textDone } }))
    this.#timer = setTimeout(() => { label.textContent = this.dataset.was }, 2000)
  }
})
