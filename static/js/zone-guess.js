// <zone-guess for="id_zone"> proposes the browser's time zone in a field that holds nothing or the default.
customElements.define("zone-guess", class extends HTMLElement {
  connectedCallback() {
    const field = document.getElementById(this.getAttribute("for")), zone = Intl.DateTimeFormat().resolvedOptions().timeZone
    if (!field || !zone || (field.value && field.value !== (this.getAttribute("default") ?? "UTC"))) return
    if (field.options && ![...field.options].some(option => option.value === zone)) return
    field.value = zone
    field.dispatchEvent(new Event("change", { bubbles: true }))
  }
})
