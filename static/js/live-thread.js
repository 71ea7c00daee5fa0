// <live-thread for="messages" url="/conversations/7/" mark="conversation:7=41"> keeps one conversation true. The answer to `since` holds messages and
// happenings (children with stable ids and an ascending data-key) and <hx-partial hx-target="#head"> regions. Nothing on the screen is moved.
// When the conversation is not the reader's any more, its acts go, what is written can be copied (the template), and it asks no more.
customElements.define("live-thread", class extends HTMLElement {
  #busy = false; #again = false; #own = false; #acted = 0
  connectedCallback() {
    for (const name of ["bell", "poll", "ask"]) document.addEventListener(name, this)
    this.addEventListener("click", this)
    this.dispatchEvent(new CustomEvent("watch", { bubbles: true }))
    this.#scroller?.addEventListener("scroll", this, { passive: true })
    requestAnimationFrame(() => this.#place())
  }
  disconnectedCallback() { for (const name of ["bell", "poll", "ask"]) document.removeEventListener(name, this) }
  handleEvent(event) {
    if (event.type === "bell") this.#bell(event.detail)
    else if (event.type === "scroll") this.#atEnd && this.#count(0)
    else if (event.type === "click") event.target.closest("[data-show]") && this.#end()
    else { if (event.type === "ask") { this.#own = true; this.#acted = performance.now() } this.#ask() }
  }
  get #list() { return document.getElementById(this.getAttribute("for")) }
  get #scroller() { return this.#list?.closest("[data-scroller]") ?? this.#list }
  get #atEnd() { const box = this.#scroller; return box.scrollHeight - box.scrollTop - box.clientHeight < 48 }
  #place() {
    const found = /^#(mention|reply|note)-\d+$/.test(location.hash) && this.#list?.querySelector(location.hash)
    const first = this.#list?.querySelector("[data-first-unread]")
    if (found) found.scrollIntoView({ block: "center" })
    else first ? first.scrollIntoView({ block: "start" }) : this.#end()
  }
  #end() { const box = this.#scroller; if (box) box.scrollTop = box.scrollHeight; this.#count(0) }
  #bell({ stream, number, gone }) {
    const mark = this.#mark.split(" ").map(part => part.split("=")).find(([name]) => name === stream)
    if (mark && (gone || number > +mark[1])) this.#ask()
  }
  get #mark() { return this.getAttribute("mark") ?? "" }
  #gone() {
    const instead = this.querySelector("template").content, text = instead.textContent
    this.removeAttribute("mark")
    this.#count(0)
    for (const act of document.querySelectorAll("#talk-head :is(.bar__actions, [popover]), .composer__can")) act.remove()
    for (const form of document.querySelectorAll("form[data-kind]")) {
      form.elements.text.readOnly = true
      form.querySelector("file-drop")?.setAttribute("reason", text)
      form.querySelector(".composer__foot").replaceChildren(instead.cloneNode(true))
    }
    this.dispatchEvent(new CustomEvent("say", { bubbles: true, detail: { text, urgent: true } }))
  }
  async #ask() {
    if (!this.#mark) return
    if (this.#busy) return void (this.#again = true)
    this.#busy = true
    const [own, url] = [this.#own, new URL(this.getAttribute("url"), location.href)]
    this.#own = false
    url.searchParams.set("since", this.#mark)
    const answer = await fetch(url, { headers: { "HX-Request": "true" } }).catch(() => null)
    const text = await (answer?.ok && answer.headers.has("X-Mark") ? answer.text().catch(() => null) : null)
    // Another conversation may have come to its place meanwhile.
    if (text !== null && this.isConnected) this.#take(new DOMParser().parseFromString(text, "text/html").body, answer.headers, own)
    if (answer?.status === 404 && this.isConnected) this.#gone()
    this.dispatchEvent(new CustomEvent("answered", { bubbles: true, detail: { ok: !!answer, failed: answer?.status >= 500, build: answer?.headers.get("X-Build") } }))
    await new Promise(done => setTimeout(done, 500 + Math.random() * 200))
    this.#busy = false
    if (this.#again) { this.#again = false; this.#ask() }
  }
  #take(answer, headers, own) {
    let fresh = 0
    const ended = this.#atEnd
    for (const child of answer.querySelectorAll(":scope > [id][data-key]")) {
      const held = document.getElementById(child.id)
      if (held) { this.#renew(held, child, own); continue }
      const place = [...this.#list.children].find(other => other.dataset.key > child.dataset.key)
      const added = document.importNode(child, true)
      this.#list.insertBefore(added, place ?? null)
      htmx.process(added)
      if (added.matches("[data-side=theirs]")) fresh += 1
    }
    for (const part of answer.querySelectorAll("hx-partial")) {
      const target = document.querySelector(part.getAttribute("hx-target"))
      if (target) htmx.swap({ target, text: part.innerHTML, swap: part.getAttribute("hx-swap") ?? "outerMorph", sourceElement: target })
    }
    this.setAttribute("mark", headers.get("X-Mark"))
    if (own && ended) this.#end()
    else if (fresh) this.#count(+(this.querySelector("[data-show]")?.dataset.count ?? 0) + fresh)
  }
  // What became smaller keeps its place, margins and all, until the conversation is opened again: only the agent's own act moves what stands below, and
  // only while it is felt to be the cause.
  #renew(held, child, own) {
    const [next, high] = [held.nextElementSibling, held.offsetHeight], place = next?.getBoundingClientRect().top
    htmx.swap({ target: held, text: child.outerHTML, swap: "outerMorph", sourceElement: held })
    const now = document.getElementById(child.id)
    if (!now || (own && performance.now() - this.#acted < 400)) return
    const lost = next?.isConnected ? place - next.getBoundingClientRect().top : high - now.offsetHeight
    if (lost > 0) now.style.setProperty("min-block-size", `${now.offsetHeight + lost}px`)
  }
  #count(count) {
    const button = this.querySelector("[data-show]")
    if (!button) return
    const form = new Intl.PluralRules(document.documentElement.lang || "en").select(count)
    const text = (this.dataset[`pill${form[0].toUpperCase()}${form.slice(1)}`] ?? this.dataset.pillOther ?? "%d").replace("%d", count)
    button.dataset.count = count
    button.textContent = count ? text : ""
    if (count) this.dispatchEvent(new CustomEvent("say", { bubbles: true, detail: { text, about: "thread" } }))
  }
})
