// <local-time data-now="now" data-minutes="%d min" …>, once a page: one timer keeps every relative time true. time[data-ago] is the age of a row,
// [data-due] a deadline that turns amber data-warn minutes before and late after; times without a title get the full one in the reader's words.
customElements.define("local-time", class extends HTMLElement {
  #timer
  connectedCallback() {
    this.#timer = setInterval(() => this.#tick(), 30_000)
    for (const name of ["shown", "htmx:after:swap", "visibilitychange"]) document.addEventListener(name, this)
    this.#tick()
  }
  disconnectedCallback() {
    clearInterval(this.#timer)
    for (const name of ["shown", "htmx:after:swap", "visibilitychange"]) document.removeEventListener(name, this)
  }
  handleEvent() { document.hidden || this.#tick() }
  #tick() {
    const now = Date.now(), full = new Intl.DateTimeFormat(document.documentElement.lang || undefined, { dateStyle: "full", timeStyle: "medium", timeZone: this.getAttribute("zone") || undefined })
    for (const time of document.querySelectorAll("time[data-ago]")) {
      const at = Date.parse(time.dateTime)
      this.#write(time, this.#words((now - at) / 1000))
      time.title ||= full.format(at)
    }
    for (const chip of document.querySelectorAll("[data-due]")) this.#due(chip, (Date.parse(chip.dataset.due) - now) / 1000)
    for (const time of document.querySelectorAll("time[data-until]")) this.#write(time, this.#words((Date.parse(time.dateTime) - now) / 1000))
  }
  #write(element, text) { if (element.textContent !== text) element.textContent = text }
  #words(seconds) {
    const [name, size] = [[60, "now"], [3600, "minutes", 60], [86_400, "hours", 3600], [14 * 86_400, "days", 86_400], [Infinity, "weeks", 604_800]].find(([below]) => Math.abs(seconds) < below).slice(1)
    return size ? this.dataset[name].replace("%d", Math.floor(Math.abs(seconds) / size)) : this.dataset.now
  }
  #due(chip, left) {
    const form = (left < 0 ? "late" : "due") + ("long" in chip.dataset ? "Long" : "")
    const mood = left < 0 ? "danger" : left < +(chip.dataset.warn ?? 15) * 60 ? "warn" : ""
    this.#write(chip, this.dataset[`text${form[0].toUpperCase()}${form.slice(1)}`].replace("%s", this.#words(left)))
    if (chip.dataset.mood !== mood) chip.dataset.mood = mood
  }
})
