// <presence-beat url="/conversations/7/presence/" for="here" mark="presence:7=0"> tells the others what this agent does with the open conversation
// (viewing, replying, noting), on change and every 50 s, and shows what they do when the bell says so and with each beat. Advice only, never a lock.
customElements.define("presence-beat", class extends HTMLElement {
  #doing = ""; #since = 0; #timer; #later; #asked = 0; #number = 0
  connectedCallback() {
    for (const name of ["writing", "bell", "visibilitychange"]) document.addEventListener(name, this)
    addEventListener("pagehide", this)
    this.#timer = setInterval(() => { this.#beat(this.#writing ? this.#doing : "viewing", true); this.#ask() }, 50_000)
    this.#beat("viewing"); this.#ask()
  }
  disconnectedCallback() {
    for (const name of ["writing", "bell", "visibilitychange"]) document.removeEventListener(name, this)
    removeEventListener("pagehide", this)
    clearInterval(this.#timer); clearTimeout(this.#later); this.#beat("")
  }
  get #writing() { return Date.now() - this.#since < 120_000 }
  handleEvent(event) {
    if (event.type === "bell") return this.#bell(event.detail)
    if (event.type === "writing") { this.#since = Date.now(); return this.#beat(event.detail.kind === "note" ? "noting" : "replying") }
    this.#beat(event.type === "pagehide" || document.hidden ? "" : this.#writing && this.#doing ? this.#doing : "viewing")
  }
  #beat(doing, again = false) {
    if (doing === this.#doing && !again) return
    this.#doing = doing
    const token = document.cookie.match(/(?:^|; )(?:__Host-)?csrftoken=([^;]+)/)?.[1] ?? ""
    fetch(this.getAttribute("url"), { method: "POST", keepalive: true, body: new URLSearchParams({ doing }), headers: { "X-CSRFToken": token } }).catch(() => {})
  }
  #bell({ stream, number }) {
    if (stream !== this.getAttribute("mark").split("=")[0] || number <= this.#number) return
    this.#number = number
    this.#ask()
  }
  async #ask() {
    clearTimeout(this.#later)
    const early = this.#asked + 1000 - Date.now()
    if (early > 0) return void (this.#later = setTimeout(() => this.#ask(), early))
    this.#asked = Date.now()
    const answer = await fetch(this.getAttribute("url"), { headers: { "HX-Request": "true" } }).catch(() => null), place = document.getElementById(this.getAttribute("for"))
    if (answer?.ok && place && this.isConnected) htmx.swap({ target: place, text: await answer.text(), swap: "innerHTML", sourceElement: place })
  }
})
