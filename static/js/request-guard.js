// <request-guard> stands between htmx and the browser, once a page: every request carries the CSRF token of the cookie, a click with Ctrl, Meta
// or Shift on a link stays the browser's own, and after a refused form (422) the first wrong field is focused,
// and an answer that needs a sign-in (401) opens the dialog that says so instead of losing what was written.
customElements.define("request-guard", class extends HTMLElement {
  connectedCallback() {
    for (const name of ["htmx:config:request", "htmx:after:request", "htmx:after:swap", "signed-out", "right-taken"]) document.addEventListener(name, this)
    document.addEventListener("click", this, true)
  }
  disconnectedCallback() {
    for (const name of ["htmx:config:request", "htmx:after:request", "htmx:after:swap", "signed-out", "right-taken"]) document.removeEventListener(name, this)
    document.removeEventListener("click", this, true)
  }
  handleEvent(event) {
    if (event.type === "click") return this.#click(event)
    if (event.type === "htmx:config:request") return void (event.detail.ctx.request.headers["X-CSRFToken"] = this.#token)
    if (event.type === "htmx:after:request") return this.#answered(event.detail.ctx?.response?.status)
    if (event.type === "signed-out") return document.getElementById("signed-out")?.showModal()
    if (event.type === "right-taken") {
      for (const count of document.querySelectorAll("#pane-counts .count")) count.remove()
      return document.querySelector("main")?.replaceChildren(document.getElementById("right-taken")?.content.cloneNode(true) ?? "")
    }
    const wrong = event.detail.ctx?.response?.status === 422 && document.querySelector("main :is(input, select, textarea)[aria-invalid=true], dialog[open] [aria-invalid=true]")
    if (wrong) wrong.focus()
  }
  get #token() { return document.cookie.match(/(?:^|; )(?:__Host-)?csrftoken=([^;]+)/)?.[1] ?? "" }
  #answered(status) {
    if (status === 401 || (status === 403 && !this.#token)) document.getElementById("signed-out")?.showModal()
  }
  #click(event) {
    if ((event.ctrlKey || event.metaKey || event.shiftKey) && event.target.closest?.("a[href][hx-get]")) event.stopPropagation()
  }
})
