// <row-act for="posts" key="P" press="[data-promote]"> lets a key press a control of the row that row-nav's cursor is on, and of no other.
customElements.define("row-act", class extends HTMLElement {
  connectedCallback() { document.addEventListener("key", this) }
  disconnectedCallback() { document.removeEventListener("key", this) }
  handleEvent(event) {
    if (event.detail.key !== this.getAttribute("key")) return
    const rows = document.getElementById(this.getAttribute("for")), row = rows?.querySelector(":scope > [data-key]:has([tabindex='0'])")
    const control = row?.querySelector(this.getAttribute("press"))
    if (control) control.click()
    else if (row && this.title) document.dispatchEvent(new CustomEvent("say", { detail: { text: this.title } }))
    event.preventDefault()
  }
})
