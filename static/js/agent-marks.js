// <agent-marks for="queue" unread="7 12" drafts="9" following="4"> is the only personal part of a list: rows are the same HTML for everybody,
// and this element puts the agent's own marks on them. With of="7 9" only those conversations are touched, else every row of the list.
customElements.define("agent-marks", class extends HTMLElement {
  static observedAttributes = ["unread", "drafts", "following", "of"]
  #planned = false
  connectedCallback() { document.addEventListener("shown", this); document.addEventListener("htmx:after:swap", this); this.#plan() }
  disconnectedCallback() { document.removeEventListener("shown", this); document.removeEventListener("htmx:after:swap", this) }
  attributeChangedCallback() { this.isConnected && this.#plan() }
  handleEvent(event) { if (event.type === "shown" || event.target.closest?.(`[id="${this.getAttribute("for")}"]`)) this.#plan() }
  #plan() {
    if (this.#planned) return
    this.#planned = true
    queueMicrotask(() => { this.#planned = false; this.#mark() })
  }
  #set(name) { return new Set((this.getAttribute(name) ?? "").split(" ").filter(Boolean)) }
  #mark() {
    const list = document.getElementById(this.getAttribute("for"))
    const [of, marks] = [this.#set("of"), { unread: this.#set("unread"), draft: this.#set("drafts"), following: this.#set("following") }]
    for (const row of list?.querySelectorAll(":scope > [data-key]") ?? []) {
      const id = row.id.replace("conversation-", "")
      if (of.size && !of.has(id)) continue
      for (const [name, ids] of Object.entries(marks)) if (row.hasAttribute(`data-${name}`) !== ids.has(id)) row.toggleAttribute(`data-${name}`, ids.has(id))
    }
  }
})
