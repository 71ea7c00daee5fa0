// <live-part for="pane-counts" url="/views/counts/" where="team:3 team:4" wait="5000"> morphs one region when a bell names one of its streams, at most
// once every `wait` ms. For what is only numbers: counts in the views pane, workload, wallboard. A `quiet` one is not moved by the agent's own acts.
// A dialog in the region says in data-closed what is asked for from then on when somebody has closed it.
customElements.define("live-part", class extends HTMLElement {
  #timer; #asked = 0
  connectedCallback() { for (const name of ["bell", "poll", "ask", "close"]) document.addEventListener(name, this, true) }
  disconnectedCallback() { for (const name of ["bell", "poll", "ask", "close"]) document.removeEventListener(name, this, true); clearTimeout(this.#timer) }
  handleEvent(event) {
    if (event.type === "close") return void (event.target.dataset.closed && event.target.parentNode.id === this.getAttribute("for") && this.setAttribute("url", event.target.dataset.closed))
    if (event.type === "bell" && !this.getAttribute("where").split(" ").includes(event.detail.stream)) return
    if (event.type === "ask" && this.hasAttribute("quiet")) return
    if (event.type === "ask") { clearTimeout(this.#timer); this.#timer = null }
    this.#timer ??= setTimeout(() => this.#ask(), event.type === "ask" ? 200 : Math.max(0, this.#asked + +(this.getAttribute("wait") ?? 5000) - Date.now()))
  }
  async #ask() {
    this.#timer = null
    this.#asked = Date.now()
    const url = this.getAttribute("url"), answer = await fetch(url, { headers: { "HX-Request": "true" } }).catch(() => null), place = document.getElementById(this.getAttribute("for"))
    if (answer?.ok && place && url === this.getAttribute("url")) htmx.swap({ target: place, text: await answer.text(), swap: "innerMorph", sourceElement: place })
  }
})
