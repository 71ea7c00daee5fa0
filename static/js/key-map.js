// <key-map> turns keys into presses: a key clicks the first visible, enabled control that carries it in data-key, so it can do nothing the mouse
// cannot. Written as the keyboard says it: "e", "E" (with Shift), "?", "g m" (one after the other within 1 s), "Mod+k" (Ctrl or Cmd),
// "Mod+Shift+Enter". Keys nobody carries become a `key` event (row-nav moves by it). With the attribute `off` only "Mod+" keys work.
// While a conversation is being opened its keys wait for it, and what is typed after one that opens a field is typed into that field.
customElements.define("key-map", class extends HTMLElement {
  #first = ""; #timer; #opening; #held = []; #last = {}
  connectedCallback() { for (const name of ["keydown", "htmx:before:request", "htmx:finally:request"]) document.addEventListener(name, this) }
  disconnectedCallback() { for (const name of ["keydown", "htmx:before:request", "htmx:finally:request"]) document.removeEventListener(name, this); clearTimeout(this.#timer) }
  handleEvent(event) {
    const ctx = event.detail?.ctx
    if (event.type === "keydown") this.#key(event)
    else if (event.type === "htmx:before:request") { if (ctx.target?.id === "talk") { this.#opening = ctx; this.#held = [] } }
    else if (ctx === this.#opening) { this.#opening = null; this.#release(ctx.status === "swapped") }
  }
  #key(event) {
    if (event.defaultPrevented || event.isComposing || event.keyCode === 229) return
    const name = this.#name(event), mod = name.startsWith("Mod+"), writing = event.target.closest?.("input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable]")
    // Where “[” and “\\” are written so.
    const graph = event.getModifierState("AltGraph") && event.key.length === 1
    if (!name || (!graph && (event.altKey || (!mod && (event.ctrlKey || event.metaKey)))) || (!mod && (writing || this.hasAttribute("off")))) return
    const dialog = document.querySelector("dialog[open]:modal")
    const control = this.#find(this.#first ? `${this.#first} ${name}` : name, dialog, event.target.closest?.("form"))
    const talk = control?.closest("[data-keys=talk]"), bounced = this.#bounces(name, control)
    // A key that is held down is one wish.
    if (event.repeat && control) return event.preventDefault()
    if (!mod && (this.#held.length || (this.#opening && talk))) return this.#hold(event, name, bounced)
    if (control) { event.preventDefault(); this.#forget(); return bounced || this.#press(control) }
    if (dialog || mod) return this.#forget()
    if (!this.#first && this.#starts(name)) { this.#first = name; this.#timer = setTimeout(() => this.#forget(), 1000); return }
    this.#forget()
    const free = name === "Enter" ? event.target.closest?.("a, button, summary, [role=option]") : name === "Space" && event.target.closest?.("button, input, summary, [role=option]")
    if (!free && !document.dispatchEvent(new CustomEvent("key", { cancelable: true, detail: { key: name } }))) event.preventDefault()
    else if (!free && this.#opening && !dialog) this.#hold(event, name)
  }
  // The same key again in the blink of an eye, and meanwhile the next conversation has come: the hand's, not the head's.
  #bounces(name, control) {
    const now = performance.now(), open = document.querySelector("[data-open]")?.dataset.open, last = this.#last
    const bounces = name === last.name && !!control?.closest("[data-keys=talk]") && (!!this.#opening || (open !== last.open && now - last.time < 600))
    if (!bounces) this.#last = { name, open, time: now }
    return bounces
  }
  #hold(event, name, bounced) {
    event.preventDefault()
    if (name === "Escape") this.#held = []
    else if (name === "Backspace") this.#held.pop()
    else if (!bounced || this.#held.length) this.#held.push({ name, key: event.key })
  }
  #release(came) {
    const [first, ...rest] = this.#held.splice(0), control = came && first && this.#find(first.name)
    if (!control) return
    this.#press(control)
    const box = document.activeElement, text = rest.map(({ key }) => key).filter(key => key.length === 1).join("")
    if (!text || !box.matches("input:not([type=checkbox], [type=radio]), textarea")) return
    box.setRangeText(text, box.selectionStart, box.selectionEnd, "end")
    box.dispatchEvent(new Event("input", { bubbles: true }))
  }
  #name({ key, ctrlKey, metaKey, shiftKey, altKey }) {
    if (["Shift", "Control", "Alt", "Meta", "AltGraph", "Dead"].includes(key)) return ""
    const letter = key.length === 1 && key.toLowerCase() !== key.toUpperCase(), word = key === " " ? "Space" : key
    const mod = (ctrlKey || metaKey) && !altKey && (letter || word.length > 1)
    if (letter) return (mod ? "Mod+" : "") + (mod ? (shiftKey ? "Shift+" : "") + key.toLowerCase() : shiftKey ? key.toUpperCase() : key.toLowerCase())
    return (mod ? "Mod+" : "") + (shiftKey && word.length > 1 ? "Shift+" : "") + word
  }
  #controls(scope) { return scope.querySelectorAll(":is(a, button, input, select, textarea, summary)[data-key]") }
  #find(name, dialog, form) {
    const places = dialog ? [dialog] : [form, ...["[data-keys=bulk]:not([hidden])", "[data-keys=talk]", "[data-keys=queue]"].map(place => document.querySelector(place)), document]
    for (const place of places) for (const control of place ? this.#controls(place) : []) {
      if (!control.dataset.key.split(", ").includes(name)) continue
      if (this.#isThere(control) && !control.disabled && (dialog || !control.closest("dialog:not([open])"))) return control
    }
  }
  // To be seen, or behind a menu whose button is.
  #isThere(control) {
    const menu = control.closest("[popover]:not(:popover-open)"), seen = menu ? document.querySelector(`[popovertarget="${menu.id}"]`) : control
    return !!seen?.checkVisibility({ visibilityProperty: true })
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
