// <live-bell url="/live/" where="agent:7" build="1.2" data-text-live="Live" …> holds the line to the server. It tells the server which streams
// the page shows (every [mark] on it), turns each frame into a `bell` event, and says in words what is known about the line.
customElements.define("live-bell", class extends HTMLElement {
  #socket; #timer; #silence; #tries = 0; #lost = 0; #heard = Date.now(); #hidden = 0; #ended = false; #failing = false
  connectedCallback() {
    for (const name of ["watch", "answered"]) document.addEventListener(name, this)
    for (const name of ["online", "offline", "pageshow", "pagehide"]) addEventListener(name, this)
    document.addEventListener("visibilitychange", this)
    this.#timer = setInterval(() => this.#beat(), 1000)
    this.#open()
  }
  disconnectedCallback() {
    for (const name of ["watch", "answered", "visibilitychange"]) document.removeEventListener(name, this)
    for (const name of ["online", "offline", "pageshow", "pagehide"]) removeEventListener(name, this)
    clearInterval(this.#timer); clearTimeout(this.#silence); this.#ended = true; this.#socket?.close()
  }
  handleEvent(event) {
    if (event.type === "answered") return this.#answered(event.detail)
    if (event.type === "offline") return this.#show("offline")
    if (event.type === "pagehide") return this.#socket?.close()
    if (event.type === "visibilitychange" && document.hidden) return void (this.#hidden = Date.now())
    if (event.type === "visibilitychange" && Date.now() - this.#hidden < 60_000) return
    if (event.type === "pageshow" && !event.persisted) return
    this.#socket?.readyState === WebSocket.OPEN ? this.#ask() : this.#open()
  }
  #open() {
    if (!this.getAttribute("url") || this.#ended || [0, 1].includes(this.#socket?.readyState)) return
    const url = new URL(this.getAttribute("url"), location.href)
    url.protocol = url.protocol.replace("http", "ws")
    const socket = this.#socket = new WebSocket(url)
    socket.onopen = () => this.#ask()
    socket.onmessage = ({ data }) => this.#ring(JSON.parse(data))
    socket.onclose = ({ code }) => socket === this.#socket && this.#closed(code)
  }
  #streams() {
    const marks = [...document.querySelectorAll("[mark]")].flatMap(region => region.getAttribute("mark").split(" ").map(part => part.split("=")[0]))
    return [...new Set([...(this.getAttribute("where") ?? "").split(" "), ...marks])].filter(Boolean)
  }
  #ask() {
    if (this.#socket?.readyState !== WebSocket.OPEN) return
    this.#socket.send(JSON.stringify({ where: this.#streams() }))
    this.#silence ??= setTimeout(() => { this.#silence = null; this.#show("quiet"); this.#socket.close() }, 5000)
  }
  #ring({ stream, n, gone = false }) {
    clearTimeout(this.#silence); this.#silence = null
    this.#tries = this.#lost = 0
    if (!this.#failing) { this.#heard = Date.now(); this.#show("live") }
    this.dispatchEvent(new CustomEvent("bell", { bubbles: true, detail: { stream, number: n, gone } }))
  }
  #closed(code) {
    clearTimeout(this.#silence); this.#silence = null
    if (code === 4401 || code === 4403) { this.#show("ended"); this.#ended = true; return this.dispatchEvent(new CustomEvent(code === 4401 ? "signed-out" : "right-taken", { bubbles: true })) }
    this.#lost ||= Date.now()
    if (this.getAttribute("state") !== "polling") this.#show(navigator.onLine ? "quiet" : "offline")
    setTimeout(() => this.#open(), Math.min(15_000, 500 * 2 ** this.#tries++) * (0.5 + Math.random()))
  }
  #seconds = 0
  #beat() {
    this.#seconds += 1
    if (this.#seconds % 20 === 0) this.#ask()
    if (!this.#lost || Date.now() - this.#lost < 30_000 || !navigator.onLine || this.#ended) return
    this.#show("polling")
    if (this.#seconds % (document.hidden ? 60 : 15) === 0) this.dispatchEvent(new CustomEvent("poll", { bubbles: true }))
  }
  #answered({ ok, failed, build }) {
    this.#failing = !!failed
    if (failed) return this.#show("failing")
    if (!ok && this.#lost) return this.#show("offline")
    if (ok && this.getAttribute("state") === "failing") this.#show("live")
    if (ok && this.getAttribute("state") === "polling") this.#heard = Date.now()
    if (build && build !== this.getAttribute("build")) this.toggleAttribute("outdated", true)
  }
  #show(state) {
    if (this.#ended) return
    const [at, lang] = [new Date(this.#heard), document.documentElement.lang || undefined]
    const text = this.dataset[this.hasAttribute("outdated") && state === "live" ? "textNew" : `text${state[0].toUpperCase()}${state.slice(1)}`]
    const words = text.replace("%s", at.toLocaleTimeString(lang, { hour: "2-digit", minute: "2-digit", second: state === "quiet" ? "2-digit" : undefined }))
    const output = this.querySelector("output")
    if (output.textContent !== words) output.textContent = words
    if (this.getAttribute("state") === state) return
    this.setAttribute("state", state)
    for (const region of document.querySelectorAll("[mark]")) region.toggleAttribute("data-stale", state !== "live")
  }
})
