// <key-map> turns keys into presses: a key clicks the first visible, enabled control that carries it in data-key, so it can do nothing the mouse
// cannot. Written as the keyboard says it: "e", "E" (with Shift), "?", "g m" (one after the other within 1 s), "Mod+k" (Ctrl or Cmd),
// "Mod+Shift+Enter". Keys nobody carries become a `key` event (row-nav moves by it). With the attribute `off` only "Mod+" keys work.
customElements.define("key-map", class extends HTMLElement {
  #first = ""; #timer
  connectedCallback() { document.addEventListener("keydown", this) }
  disconnectedCallback() { document.removeEventListener("keydown", this); clearTimeout(this.#timer) }
  handleEvent(event) {
    if (event.defaultPrevented || event.isComposing || event.keyCode === 229) return
    const name = this.#name(event), mod = name.startsWith("Mod+"), writing = event.target.closest?.("input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable]")
    if (!name || event.altKey || (!mod && (event.ctrlKey || event.metaKey)) || (!mod && (writing || this.hasAttribute("off")))) return
    const dialog = document.querySelector("dialog[open]:modal")
    const control = this.#find(this.#first ? `${this.#first} ${name}` : name, dialog, event.target.closest?.("form"))
    if (control) { event.preventDefault(); this.#forget(); return this.#press(control) }
    if (dialog || mod) return this.#forget()
    if (!this.#first && this.#starts(name)) { this.#first = name; this.#timer = setTimeout(() => this.#forget(), 1000); return }
    this.#forget()
    const free = event.target.closest?.("a, button, summary, [role=option]") && ["Enter", " ", "Space"].includes(name)
    if (!free && !document.dispatchEvent(new CustomEvent("key", { cancelable: true, detail: { key: name } }))) event.preventDefault()
  }
  #name({ key, ctrlKey, metaKey, shiftKey }) {
    if (["Shift", "Control", "Alt", "Meta", "AltGraph", "Dead"].includes(key)) return ""
    const letter = key.length === 1 && key.toLowerCase() !== key.toUpperCase(), word = key === " " ? "Space" : key
    const mod = (ctrlKey || metaKey) && (letter || word.length > 1)
    if (letter) return (mod ? "Mod+" : "") + (mod ? (shiftKey ? "Shift+" : "") + key.toLowerCase() : shiftKey ? key.toUpperCase() : key.toLowerCase())
    return (mod ? "Mod+" : "") + (shiftKey && word.length > 1 ? "Shift+" : "") + word
  }
  #controls(scope) { return scope.querySelectorAll(":is(a, button, input, select, textarea, summary)[data-key]") }
  #find(name, dialog, form) {
    const places = dialog ? [dialog] : [form, ...["[data-keys=bulk]:not([hidden])", "[data-keys=talk]", "[data-keys=queue]"].map(place => document.querySelector(place)), document]
    for (const place of places) for (const control of place ? this.#controls(place) : []) {
      if (!control.dataset.key.split(", ").includes(name)) continue
      if (control.checkVisibility({ visibilityProperty: true }) && !control.disabled && (dialog || !control.closest("dialog:not([open])"))) return control
    }
  }
  #starts(name) { return [...this.#controls(document)].some(control => control.dataset.key.split(", ").some(keys => keys.startsWith(`${name} `))) }
  #forget() { this.#first = ""; clearTimeout(this.#timer) }
  #press(control) {
    if (control.getAttribute("aria-disabled") === "true") {
      const why = document.getElementById(control.getAttribute("aria-describedby"))?.textContent ?? control.title
      return document.dispatchEvent(new CustomEvent("say", { detail: { text: why.trim() } }))
    }
    control.matches("input:not([type=checkbox], [type=radio], [type=submit]), textarea, select") ? control.focus() : control.click()
  }
})
