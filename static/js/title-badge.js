// <title-badge count="3" icons="/static/img/icon.svg /static/img/icon-1.svg …"> puts the number of unread items that are mine before the title,
// into the favicon and onto the installed app.
customElements.define("title-badge", class extends HTMLElement {
  static observedAttributes = ["count"]
  connectedCallback() { document.addEventListener("htmx:after:history:update", this); this.#show() }
  disconnectedCallback() { document.removeEventListener("htmx:after:history:update", this) }
  attributeChangedCallback() { this.isConnected && this.#show() }
  handleEvent() { this.#show() }
  #show() {
    const count = +this.getAttribute("count"), icons = (this.getAttribute("icons") ?? "").split(" ").filter(Boolean)
    const title = document.title.replace(/^\(\d+\+?\) /, "")
    document.title = count ? `(${count}) ${title}` : title
    const icon = document.querySelector("link[rel=icon]"), href = icons[Math.min(count, icons.length - 1)]
    if (icon && href && icon.getAttribute("href") !== href) icon.setAttribute("href", href)
    if (count) navigator.setAppBadge?.(count).catch(() => {})
    else navigator.clearAppBadge?.().catch(() => {})
  }
})
