// <live-part for="pane-counts" url="/views/counts/" where="team:3 team:4" wait="5000"> morphs one region when a bell names one of its streams, at most
// once every `wait` ms. For what is only numbers: counts in the views pane, workload, wallboard. A `quiet` one is not moved by the agent's own acts.
customElements.define("live-part", class extends HTMLElement {
  #timer; #asked = 0
  connectedCallback() { for (const name of ["bell", "poll", "ask"]) document.addEventListener(name, this) }
  disconnectedCallback() { for (const name of ["bell", "poll", "ask"]) document.removeEventListener(name, this); clearTimeout(this.#timer) }
  handleEvent(event) {
    if (event.type === "bell" && !this.getAttribute("where").split(" ").includes(event.detail.stream)) return
    if (event.type === "ask" && this.hasAttribute("quiet")) return
    if (event.type === "ask") { clearTimeout(this.#timer); this.#timer = null }
    this.#timer ??= setTimeout(() => this.#ask(), event.type === "ask" ? 200 : Math.max(0, this.#asked + +(this.getAttribute("wait") ?? 5000) - Date.now()))
  }
  async #ask() {
    this.#timer = null
    this.#asked = Date.now()
    const answer = await fetch(this.getAttribute("url"), { headers: { "HX-Request": "true" } }).catch(() => null), place = document.getElementById(this.getAttribute("for"))
    if (answer?.ok && place) htmx.swap({ target: place, text: await answer.text(), swap: "innerMorph", sourceElement: place })
  }
})
