// <optimistic-act>, once a page: a form with data-act="closure" shows its result before the server has answered. The row it acts on (data-of, else the
// open conversation; with data-picked-rows all that are picked) gets data-doing; with data-leaves it goes at once. When the act fails the row is as before and the toast says what did not happen.
customElements.define("optimistic-act", class extends HTMLElement {
  static #names = ["htmx:before:request", "htmx:after:request", "htmx:error"]
  #left = new WeakMap(); #doing = new WeakMap(); #asking = new WeakMap()
  connectedCallback() { for (const name of this.constructor.#names) document.addEventListener(name, this) }
  disconnectedCallback() { for (const name of this.constructor.#names) document.removeEventListener(name, this) }
  handleEvent(event) {
    const ctx = event.detail.ctx, source = ctx?.sourceElement, form = source?.closest?.("[data-act]")
    if (ctx?.target?.id === "talk" && event.type !== "htmx:before:request") return this.#opened(ctx, event.type)
    if (!form || source.hasAttribute("hx-get")) return
    if (event.type === "htmx:before:request") return this.#asking.has(form) ? event.preventDefault() : this.#begin(form, ctx)
    if (this.#asking.get(form) !== ctx) return // a second press while the first is on its way asks for nothing more
    this.#asking.delete(form)
    this.#end(form, event.type === "htmx:error" ? null : ctx.response)
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
  #opened(ctx, type) {
    const [answer, told] = [type === "htmx:error" ? null : ctx.response, this.dataset]
    if (!answer || answer.status >= 400) this.#say(!answer ? told.openedNetwork : answer.status >= 500 ? told.openedServer : told.openedRefused, answer)
  }
  #fail(answer, form) {
    this.#say(form.dataset.textFailed ?? (answer ? (answer.status >= 500 ? this.dataset.textServer : this.dataset.textRefused) : this.dataset.textNetwork), answer)
  }
  #say(text, answer) {
    const id = answer?.headers.get("X-Request-ID")
    this.dispatchEvent(new CustomEvent("failed", { bubbles: true, detail: { says: id ? text.replace("%s", id) : text.replace(/ \([^()]*%s[^()]*\)/, "") } }))
  }
})
