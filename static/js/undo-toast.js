// <undo-toast> shows one sentence at a time at the foot of the page: what was done and can be undone (`undoable` {url, says, form} from HX-Trigger; the form's fields are sent with it), or what was
// not done (`failed` {says}), or already was so (`told` {says}). It stays 10 s, longer under the pointer or with focus. Its last 20 sentences are listed in every [data-toasts].
customElements.define("undo-toast", class extends HTMLElement {
  #timer; #url = ""; #form = ""; #said = []
  connectedCallback() {
    for (const name of ["undoable", "failed", "told", "key"]) document.addEventListener(name, this)
    for (const name of ["click", "pointerenter", "pointerleave", "focusin", "focusout"]) this.addEventListener(name, this)
  }
  disconnectedCallback() { for (const name of ["undoable", "failed", "told", "key"]) document.removeEventListener(name, this); clearTimeout(this.#timer) }
  handleEvent(event) {
    if (event.type === "undoable") { this.#url = event.detail.url; this.#form = event.detail.form ?? ""; this.#show(event.detail.says, "") }
    else if (event.type === "failed") this.#show(event.detail.says, "danger")
    else if (event.type === "told") { this.#url = ""; this.#show(event.detail.says, "") }
    else if (event.type === "key") { if (event.detail.key === (this.getAttribute("key") || "z") && this.#url) { event.preventDefault(); this.#undo() } }
    else if (event.type === "click" && event.target.closest("[data-undo]")) this.#undo()
    else if (event.type === "click" && event.target.closest("[data-close]")) this.#hide()
    else if (["pointerenter", "focusin"].includes(event.type)) clearTimeout(this.#timer)
    else if (["pointerleave", "focusout"].includes(event.type)) this.#wait()
  }
  get #toast() { return this.querySelector(".toast") }
  #show(says, mood) {
    const toast = this.#toast
    toast.querySelector("[data-says]").textContent = says
    const undoable = !mood && !!this.#url, aloud = undoable ? this.dataset.textUndo.replace("%s", says) : says
    toast.querySelector("[data-undo]").hidden = !undoable
    toast.dataset.mood = mood
    toast.hidden = false
    this.#remember(says)
    document.dispatchEvent(new CustomEvent("say", { detail: { text: aloud, urgent: !!mood } }))
    this.#wait()
  }
  #remember(says) {
    this.#said = [`${new Date().toLocaleTimeString(document.documentElement.lang || undefined)}  ${says}`, ...this.#said].slice(0, 20)
    for (const list of document.querySelectorAll("[data-toasts]")) list.replaceChildren(...this.#said.map(text => Object.assign(document.createElement("li"), { textContent: text })))
  }
  #wait() { clearTimeout(this.#timer); this.#timer = setTimeout(() => this.#hide(), 10_000) }
  #hide() { clearTimeout(this.#timer); this.#toast.hidden = true }
  async #undo() {
    const url = this.#url, token = document.cookie.match(/(?:^|; )(?:__Host-)?csrftoken=([^;]+)/)?.[1] ?? ""
    this.#url = ""
    const form = document.getElementById(this.#form), body = form ? new URLSearchParams(new FormData(form)) : undefined
    const answer = await fetch(url, { method: "POST", body, headers: { "X-CSRFToken": token, "HX-Request": "true" } }).catch(() => null)
    const words = answer?.headers.get("Content-Type")?.startsWith("text/plain") ? (await answer.text()).trim() : ""
    if (!answer?.ok) return this.#show(words || this.dataset.textRefused, "danger")
    document.dispatchEvent(new CustomEvent("ask"))
    this.#show(words || this.dataset.textUndone, "")
  }
})
