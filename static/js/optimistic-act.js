// <optimistic-act>, once a page: a form with data-act="closure" shows its result before the server has answered. The row it acts on (data-of, else the
// open conversation; with data-picked-rows all that are picked) gets data-doing; with data-leaves it goes at once. When the act fails the row is as before and the toast says what did not happen,
// as it does for whatever else is asked and not answered well.
customElements.define("optimistic-act", class extends HTMLElement {
  static #names = ["htmx:before:request", "htmx:after:request", "htmx:error"]
  #left = new WeakMap(); #doing = new WeakMap(); #asking = new WeakMap()
  connectedCallback() { for (const name of this.constructor.#names) document.addEventListener(name, this) }
  disconnectedCallback() { for (const name of this.constructor.#names) document.removeEventListener(name, this) }
  handleEvent(event) {
    const ctx = event.detail.ctx, source = ctx?.sourceElement, form = source?.closest?.("[data-act]")
    const begins = event.type === "htmx:before:request", answer = event.type === "htmx:error" ? null : ctx?.response
    if (!form || source.hasAttribute("hx-get")) return ctx && !begins && this.#answered(ctx, answer)
    if (begins) return this.#asking.has(form) ? event.preventDefault() : this.#begin(form, ctx)
    // A second press while the first is on its way asks for nothing more.
    if (this.#asking.get(form) !== ctx) return
    this.#asking.delete(form)
    this.#end(form, answer)
  }
  #of(form) {
    if ("pickedRows" in form.dataset) return [...document.querySelectorAll(".rows > [data-picked]")]
    return [document.getElementById(form.dataset.of || `conversation-${document.querySelector("[data-open]")?.dataset.open}`), form.closest("[data-open]")].filter(Boolean)
  }
  #begin(form, ctx) {
    this.#asking.set(form, ctx)
    const rows = this.#of(form), [row] = rows
    this.#doing.set(form, rows)
    for (const one of rows) one.dataset.doing = form.dataset.act
    if (!("leaves" in form.dataset) || !row?.matches("[data-key]")) return
    const next = "next" in form.dataset && row.getAttribute("aria-current") === "true"
    row.dispatchEvent(new CustomEvent("leaving", { bubbles: true }))
    row.dataset.leaving = ""
    this.#left.set(form, { row, next, timer: setTimeout(() => { row.hidden = true }, matchMedia("(prefers-reduced-motion: reduce)").matches ? 0 : 150) })
  }
  #end(form, answer) {
    const left = this.#left.get(form), [done, refused] = [answer?.status < 400, [409, 422].includes(answer?.status)]
    for (const one of this.#doing.get(form) ?? []) delete one.dataset.doing
    if (done && "pickedRows" in form.dataset) document.dispatchEvent(new CustomEvent("unpick"))
    if (left) {
      clearTimeout(left.timer)
      delete left.row.dataset.doing
      if (done) left.row.remove()
      if (done && left.next) document.dispatchEvent(new CustomEvent("go-on"))
      if (!done) { left.row.hidden = false; delete left.row.dataset.leaving }
      this.#left.delete(form)
    }
    if (done) document.dispatchEvent(new CustomEvent("ask"))
    else if (!refused || !form.hasAttribute(`hx-status:${answer.status}`)) this.#fail(answer, form)
  }
  // A search that the next one overtakes ends in an error too, so only an opening and what was to be sent are missed without an answer.
  #answered({ target, sourceElement }, answer) {
    const opening = target?.id === "talk"
    if (answer ? answer.status >= 400 && ![401, 409, 422].includes(answer.status) : opening || sourceElement.closest("form[data-kind]")) this.#fail(answer, {}, opening ? "opened" : "text")
  }
  #fail(answer, form, name = "text") {
    const text = form.dataset?.textFailed ?? this.dataset[name + (!answer ? "Network" : answer.status >= 500 ? "Server" : answer.status === 404 ? "Gone" : "Refused")]
    const id = answer?.headers.get("X-Request-ID")
    if (answer?.status === 404) document.dispatchEvent(new CustomEvent("ask"))
    this.dispatchEvent(new CustomEvent("failed", { bubbles: true, detail: { says: id ? text.replace("%s", id) : text.replace(/ \([^()]*%s[^()]*\)/, "") } }))
  }
})
