// <composer-news for="reply-form" seen="41" version="2" draft="…" url="/conversations/7/seen/"> is morphed with the thread. While nothing is typed, what stands
// on the screen counts as seen: forms get the number, and a reply that was taken back returns to its empty box. What is being typed is never touched.
// When replies are allowed, or no longer, the box anew comes along in a template; `held` says in how many seconds to ask whether they are.
customElements.define("composer-news", class extends HTMLElement {
  static observedAttributes = ["seen", "version", "held"]
  #told = 0; #planned = false; #timer
  connectedCallback() { this.#told = +this.getAttribute("seen"); document.addEventListener("visibilitychange", this); this.#wait() }
  disconnectedCallback() { document.removeEventListener("visibilitychange", this); clearTimeout(this.#timer) }
  attributeChangedCallback() { this.isConnected && this.#plan() }
  handleEvent() { this.#plan() }
  #plan() {
    if (this.#planned) return
    this.#planned = true
    queueMicrotask(() => { this.#planned = false; this.#take(); this.#tell(); this.#wait() })
  }
  #wait() {
    const held = +this.getAttribute("held") * 1000
    clearTimeout(this.#timer)
    if (held) this.#timer = setTimeout(() => document.dispatchEvent(new CustomEvent("ask")), Math.min(held + 500, 2 ** 31 - 1))
  }
  #take() {
    const fresh = this.querySelector("template")
    fresh?.remove()
    if (fresh) this.parentElement.querySelector("reply-box").become(document.importNode(fresh.content, true).querySelector("reply-box"))
    for (const form of this.parentElement.querySelectorAll("form[data-kind]")) if (!form.elements.text.value && form.elements.seen_seq) form.elements.seen_seq.value = this.getAttribute("seen")
    const form = document.getElementById(this.getAttribute("for")), draft = this.getAttribute("draft")
    form?.querySelector("file-drop")?.recall?.(this.getAttribute("files") ?? "")
    if (!form || form.elements.text.value || !draft || +this.getAttribute("version") <= +form.elements.version.value) return
    form.elements.version.value = this.getAttribute("version")
    form.elements.text.value = draft
    form.elements.text.dispatchEvent(new Event("input", { bubbles: true }))
  }
  #tell() {
    const seen = +this.getAttribute("seen"), token = document.cookie.match(/(?:^|; )(?:__Host-)?csrftoken=([^;]+)/)?.[1] ?? ""
    if (document.hidden || seen <= this.#told) return
    this.#told = seen
    fetch(this.getAttribute("url"), { method: "POST", body: new URLSearchParams({ seq: seen }), headers: { "X-CSRFToken": token } }).catch(() => { this.#told = 0 })
  }
})
