// <reply-box agent="7" conversation="12" draft="/conversations/12/draft/"> holds one form a kind (form[data-kind] with a textarea and hidden `version`,
// `key`, `seen_seq`). It keeps what is typed: in this browser with each key, on the server 2 s later and when the box is left; the newer wins, and when
// both changed the agent chooses. A draft goes only when the server has taken the reply.
customElements.define("reply-box", class extends HTMLElement {
  #planned = new Map()
  connectedCallback() {
    for (const name of ["input", "click", "keydown", "htmx:after:request"]) this.addEventListener(name, this)
    for (const form of this.#forms) this.#recall(form)
    this.#show(this.#forms.find(form => !form.hidden)?.dataset.kind ?? "reply", false)
  }
  disconnectedCallback() { for (const [form, timer] of this.#planned) if (timer && !form.matches(".htmx-request")) { clearTimeout(timer); this.#save(form) } }
  get #forms() { return [...this.querySelectorAll("form[data-kind]")] }
  #text(form) { return form.querySelector("textarea") }
  #place(form) { return `draft:${this.getAttribute("agent")}:${this.getAttribute("conversation")}:${form.dataset.kind}` }
  handleEvent(event) {
    const form = event.target.closest?.("form[data-kind]")
    if (event.type === "input" && event.target === this.#text(form ?? this)) this.#typed(form)
    else if (event.type === "click") this.#click(event, form)
    else if (event.type === "keydown" && event.key === "Enter" && event.shiftKey && (event.ctrlKey || event.metaKey)) this.#sendAndDone(event, form)
    else if (event.type === "keydown" && event.key === "Escape" && event.target.matches("textarea")) { event.target.blur(); document.querySelector("[data-open] h2[tabindex]")?.focus() }
    else if (event.type === "htmx:after:request" && event.target === form && event.detail.ctx.response.status < 300) this.#taken(form)
  }
  #sendAndDone(event, form) {
    event.preventDefault()
    const then = form?.elements.then
    if (then) then.checked = true
    form?.querySelector("[data-key='Mod+Enter']")?.click()
  }
  #click(event, form) {
    const control = event.target.closest("[data-show-kind], [data-keep], [data-drop], [data-use]")
    if (!control) return
    event.preventDefault()
    if (control.dataset.showKind) return this.#show(control.dataset.showKind, true)
    if ("keep" in control.dataset && control.dataset.keep) for (const field of this.querySelectorAll("[name=seen_seq]")) field.value = control.dataset.keep
    if ("drop" in control.dataset) this.#clear(form ?? this.#forms.find(one => !one.hidden))
    if ("use" in control.dataset) { const open = this.#forms.find(one => one.dataset.kind === control.dataset.use); this.#write(open, control.closest("[data-draft]").querySelector("[data-draft-text]").textContent) }
    control.closest("[data-meanwhile]")?.replaceChildren()
    if (control.closest("[data-draft]")) control.closest("[data-draft]").hidden = true
    this.#text(this.#forms.find(one => !one.hidden))?.focus()
  }
  #show(kind, focus) {
    for (const form of this.#forms) form.hidden = form.dataset.kind !== kind
    for (const tab of this.querySelectorAll("[data-show-kind]")) tab.setAttribute("aria-pressed", tab.dataset.showKind === kind)
    if (focus) this.#focus(this.#text(this.#forms.find(form => !form.hidden)))
    this.dispatchEvent(new CustomEvent("writing-kind", { bubbles: true, detail: { kind } }))
  }
  // The same box as the server makes it now; what is written in this one, and where, goes on in that. It is as high, so that nothing moves.
  become(next) {
    const [at, shown, old] = [document.activeElement, this.#forms.find(form => !form.hidden)?.dataset.kind, this.#forms], inside = this.contains(at) && at.id, high = this.offsetHeight
    const [start, end] = inside ? [at.selectionStart, at.selectionEnd] : []
    for (const timer of this.#planned.values()) clearTimeout(timer)
    this.#planned.clear()
    this.replaceWith(next)
    htmx.process(next)
    for (const form of old) {
      const heir = next.#forms.find(one => one.dataset.kind === form.dataset.kind)
      if (!heir || !this.#text(form).value) continue
      for (const name of ["version", "seen_seq"]) heir.elements[name].value = form.elements[name].value
      next.#write(heir, this.#text(form).value)
    }
    next.#show(next.#forms.some(form => form.dataset.kind === shown) ? shown : "reply", false)
    const text = this.#text(next.#forms.find(form => !form.hidden)), lost = high - next.offsetHeight, size = `${Math.max(text.offsetHeight + lost, 40)}px`
    if (lost) text.style.minBlockSize = size
    if (lost < 0) text.style.maxBlockSize = size
    const box = inside && document.getElementById(inside)
    if (box) { box.focus(); box.setSelectionRange?.(start, end) }
  }
  #seen = new WeakSet()
  #focus(box) {
    box?.focus()
    // A box never entered before would hold its caret before the draft.
    if (box && !this.#seen.has(box)) box.setSelectionRange(box.value.length, box.value.length)
    if (box) this.#seen.add(box)
  }
  #write(form, text) { const box = this.#text(form); box.value = text; box.dispatchEvent(new Event("input", { bubbles: true })) }
  #recall(form) {
    const kept = JSON.parse(localStorage.getItem(this.#place(form)) ?? "null"), box = this.#text(form), version = +form.elements.version.value
    if (!kept || kept.text === box.value || Date.now() - kept.at > 30 * 86_400_000) return
    if (kept.version >= version || !box.value) this.#write(form, kept.text)
    else this.#choose(form, kept.text)
  }
  #choose(form, text) {
    const choice = this.querySelector("[data-draft]")
    if (!choice) return
    choice.querySelector("[data-draft-text]").textContent = text
    choice.querySelector("[data-use]").dataset.use = form.dataset.kind
    choice.hidden = false
  }
  #typed(form) {
    this.#plan(form)
    this.#keep(form)
    this.dispatchEvent(new CustomEvent("writing", { bubbles: true, detail: { kind: form.dataset.kind } }))
  }
  // One at a time, or the second would meet the first as another's draft: 0 while it is under way.
  #plan(form) { if (!this.#planned.has(form)) this.#planned.set(form, setTimeout(() => this.#save(form), 2000)) }
  #keep(form) { localStorage.setItem(this.#place(form), JSON.stringify({ text: this.#text(form).value, version: +form.elements.version.value, at: Date.now() })) }
  async #save(form) {
    const text = this.#text(form).value, body = new URLSearchParams({ kind: form.dataset.kind, text, version: form.elements.version.value })
    const token = document.cookie.match(/(?:^|; )(?:__Host-)?csrftoken=([^;]+)/)?.[1] ?? "", key = form.elements.key?.value
    this.#planned.set(form, 0)
    const answer = await fetch(this.getAttribute("draft"), { method: "POST", body, headers: { "X-CSRFToken": token, Accept: "application/json" } }).catch(() => null)
    // Sent meanwhile: the box holds another text now.
    if (form.elements.key?.value !== key) return
    this.#planned.delete(form)
    if (this.#text(form).value !== text) this.#plan(form)
    if (answer?.status !== 409 && !answer?.ok) return this.#say(form, this.dataset.textLocal)
    const said = await answer.json()
    form.elements.version.value = said.version
    if (answer.status === 409) return said.text !== this.#text(form).value && this.#choose(form, said.text)
    if (this.isConnected) this.#keep(form)
    this.#say(form, this.dataset.textSaved)
  }
  #say(form, text = "") { const line = form.querySelector("[data-saved]"); if (line) line.textContent = text.replace("%s", new Date().toTimeString().slice(0, 5)) }
  #taken(form) { this.#clear(form); this.querySelector("[data-meanwhile]").replaceChildren(); document.dispatchEvent(new CustomEvent("ask")); this.#text(form).focus() }
  #clear(form) {
    this.#write(form, "")
    clearTimeout(this.#planned.get(form))
    this.#planned.delete(form)
    localStorage.removeItem(this.#place(form))
    form.elements.version.value = 0
    if (form.elements.key) form.elements.key.value = crypto.randomUUID()
    this.#say(form)
  }
})
