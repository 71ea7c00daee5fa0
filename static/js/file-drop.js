// <file-drop url="/conversations/7/files/" kind="reply" limit="20000000" reason=""> stands in a reply form and takes files by paste, drop or button ([data-pick]).
// Each goes to the server at once, comes back as an item with its description, and leaves with the form, which waits for those still under way.
customElements.define("file-drop", class extends HTMLElement {
  #form; #box; #going = new Map(); #timers = new Map()
  #heard = ["paste", "dragover", "dragleave", "drop", "change", "click", "input", "keydown", "htmx:before:request", "htmx:after:request"]
  connectedCallback() {
    this.#form = this.closest("form"); this.#box = this.closest("reply-box")
    for (const name of this.#heard) this.#form.addEventListener(name, this)
    this.#box?.addEventListener("click", this); document.addEventListener("submit", this, true)
  }
  disconnectedCallback() {
    for (const name of this.#heard) this.#form.removeEventListener(name, this)
    this.#box?.removeEventListener("click", this); document.removeEventListener("submit", this, true)
    for (const timer of this.#timers.values()) clearTimeout(timer)
  }
  handleEvent(event) {
    const { type, target } = event
    if (type === "submit") { if (target === this.#form && this.#going.size) { event.preventDefault(); event.stopImmediatePropagation(); this.#say(this.dataset.textWait) } }
    else if (type === "paste") { const files = [...event.clipboardData.files]; if (files.length && !event.clipboardData.types.includes("text/plain")) { event.preventDefault(); this.#take(files) } }
    else if (type.startsWith("dr")) this.#drag(event)
    else if (type === "change") { if (target.type === "file") { this.#take([...target.files]); target.value = "" } }
    else if (type === "click") this.#click(event)
    else if (type === "input") { if (target.dataset.describe) this.#describe(target) }
    else if (type === "keydown") { if (event.key === "Enter" && target.dataset.describe && !event.ctrlKey && !event.metaKey) event.preventDefault() }
    else if (target === this.#form) this.#leaving(type === "htmx:before:request", event.detail.ctx.response?.status < 300)
  }
  #drag(event) {
    if (!event.dataTransfer?.types.includes("Files")) return
    event.preventDefault()
    this.#form.toggleAttribute("data-dropping", event.type === "dragover" || (event.type === "dragleave" && this.#form.contains(event.relatedTarget)))
    if (event.type === "drop") this.#take([...event.dataTransfer.files])
  }
  #click(event) {
    const control = event.target.closest("[data-pick], [data-remove], [data-again], [data-drop]")
    if (!control || (control.dataset.drop === undefined && event.currentTarget !== this.#form)) return
    if ("pick" in control.dataset) return this.reason ? this.#tell(this.reason) : this.#form.querySelector("input[type=file]").click()
    if ("drop" in control.dataset) { if (event.currentTarget === this.#box && !this.#form.hidden) for (const one of this.querySelectorAll("[data-remove]")) this.#remove(one); return }
    const item = control.closest("li"), file = this.#going.get(item)
    if ("again" in control.dataset) { item.remove(); this.#going.delete(item); return this.#send(file) }
    control.dataset.remove ? this.#remove(control, true) : (this.#going.delete(item), item.remove())
  }
  get reason() { return this.getAttribute("reason") }
  get #list() { return this.querySelector("[data-files]") }
  #take(files) { if (files.length && this.reason) this.#tell(this.reason); else for (const file of files) this.#send(file) }
  #send(file) {
    if (file.size > +this.getAttribute("limit")) return this.#tell(this.dataset.textLarge.replace("%s", file.name))
    const item = this.querySelector("template").content.firstElementChild.cloneNode(true), call = new XMLHttpRequest(), body = new FormData()
    item.querySelector("[data-name]").textContent = file.name
    this.#list.append(item); this.#going.set(item, file)
    body.append("kind", this.getAttribute("kind")); body.append("new", file, file.name || "file")
    call.open("POST", this.getAttribute("url"))
    call.setRequestHeader("X-CSRFToken", this.#token); call.setRequestHeader("HX-Request", "true")
    call.upload.onprogress = ({ loaded, total }) => { item.querySelector("progress").value = loaded / total }
    call.onload = () => call.status === 200 ? this.#put(item, call.responseText, file) : call.status === 422 ? (this.#drop(item), this.#tell(call.responseText)) : this.#failed(item)
    call.onerror = () => this.#failed(item)
    call.send(body)
  }
  #drop(item) { item.remove(); this.#going.delete(item) }
  #failed(item) { item.dataset.mood = "danger"; for (const hidden of item.querySelectorAll("[hidden]")) hidden.hidden = false; item.querySelector("progress").parentElement.remove(); this.#say(this.dataset.textFailed) }
  #put(item, html, file) {
    const part = this.#part(html), made = part.querySelector("[data-file]")
    if (made && !this.querySelector(`[data-file="${made.dataset.file}"]`)) item.replaceWith(made)
    this.#drop(item); this.#judge(part); this.#say(this.dataset.textAdded.replace("%s", file.name))
  }
  #part(html) { const part = document.createElement("template"); part.innerHTML = html; return part.content }
  #judge(part) { const said = part.querySelector("[data-problems]"); if (said) this.querySelector("[data-problems]").replaceWith(said) }
  async #remove(control, focus) {
    const answer = await this.#post(control.dataset.remove)
    if (!answer?.ok && answer?.status !== 404) return this.#tell(this.dataset.textFailed)
    const item = control.closest("li"), next = (item.nextElementSibling ?? item.previousElementSibling)?.querySelector("[data-remove]")
    item.remove()
    if (answer.ok) this.#judge(this.#part(await answer.text()))
    if (focus) (next ?? this.#form.querySelector("[data-pick]"))?.focus()
  }
  #describe(field) {
    clearTimeout(this.#timers.get(field))
    this.#timers.set(field, setTimeout(() => this.#post(field.dataset.describe, { description: field.value }), 700))
  }
  #post(url, body = {}) { return fetch(url, { method: "POST", body: new URLSearchParams(body), headers: { "X-CSRFToken": this.#token, "HX-Request": "true" } }).catch(() => null) }
  get #token() { return document.cookie.match(/(?:^|; )(?:__Host-)?csrftoken=([^;]+)/)?.[1] ?? "" }
  // What leaves is out of sight from the moment of sending, so that nothing moves later by itself; what was refused is back.
  #leaving(going, taken) {
    this.#list.hidden = going
    if (taken) { this.#list.replaceChildren(); this.querySelector("[data-problems]").replaceChildren() }
  }
  // What came back into the draft, as when a reply is taken back, comes back to the box.
  async recall(keys) {
    if (!keys.split(" ").some(key => key && !this.querySelector(`[data-file="${key}"]`))) return
    const answer = await fetch(`${this.getAttribute("url")}?kind=${this.getAttribute("kind")}`, { headers: { "HX-Request": "true" } }).catch(() => null)
    if (!answer?.ok) return
    const part = this.#part(await answer.text())
    for (const made of part.querySelectorAll("[data-file]")) if (!this.querySelector(`[data-file="${made.dataset.file}"]`)) this.#list.append(made)
    this.#judge(part)
  }
  #tell(words) { const line = document.createElement("p"); line.className = "composer__line"; line.dataset.mood = "danger"; line.textContent = words; this.querySelector("[data-problems]").append(line); this.#say(words) }
  #say(text) { this.dispatchEvent(new CustomEvent("say", { bubbles: true, detail: { text, about: "files" } })) }
})
