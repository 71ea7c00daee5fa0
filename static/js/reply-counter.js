// <reply-counter for="reply-text" kind="weighted" limit="280" link="23" bytes="" data-text-few="%d left" data-text-over="%d over"> says what is left.
// Kinds: weighted (X), graphemes+bytes (Bluesky), characters (a link counts as `link`), utf16, bytes, none. The server counts the same.
let known = new Set("com net org io eu uk de fr".split(" "))
const LINK = /(?<![@#$\p{L}\p{N}_/.-])(?:(https?:\/\/)|)((?:[\p{L}\p{N}](?:[\p{L}\p{N}_-]*[\p{L}\p{N}])?\.)+)([\p{L}\p{M}]{2,24}|xn--[a-z0-9-]+)(?![\p{L}\p{N}@_])(?::\d+)?(?:\/[^\s<>"“”‘’\u202A-\u202E\u2066-\u2069]*)?(?:\?[^\s<>"\u202A-\u202E\u2066-\u2069]*)?/giu
const ascii = text => /^[\x00-\x7f]*$/.test(text)
const dns = label => ascii(label) ? label : URL.parse("http://" + label)?.host
const leads = ([whole, scheme, labels, tld]) => (known.has(tld.toLowerCase()) || /^xn--/i.test(tld)) && [...whole].length <= 4096 &&
  (scheme || ascii(labels)) && labels.split(".").every(label => dns(label)?.length < 64)
const WEB = /(?<![\p{L}\p{N}])https?:\/\/[^\s<>"“”‘’]+/giu
const FAR = /@([\p{L}\p{N}_.-]+)@[\p{L}\p{N}_.-]+[\p{L}\p{N}_]/gu
const EMOJI = /\p{RI}\p{RI}|[0-9#*]\uFE0F?\u20E3|\p{Emoji}(?:\uFE0F|\p{EMod})?(?:[\u{E0020}-\u{E007E}]+\u{E007F})?(?:\u200D\p{Emoji}(?:\uFE0F|\p{EMod})?)*/uy
const bare = link => link.replace(/[.,;:!?'"…)\]]+$/u, "")
const graphemes = text => [...new Intl.Segmenter("en", { granularity: "grapheme" }).segment(text)].length
const light = code => code <= 4351 || (code >= 8192 && code <= 8205) || (code >= 8208 && code <= 8223) || (code >= 8242 && code <= 8247)

export function weighted(said, link = 23) {
  const text = said.normalize("NFC"), links = new Map([...text.matchAll(LINK)].filter(leads).map(match => [match.index, bare(/^https?:\/\/t\.co\/[a-z0-9]+/i.exec(match[0])?.[0] ?? match[0]).length]))
  let [total, place] = [0, 0]
  while (place < text.length) {
    if (links.has(place)) { total += link; place += links.get(place); continue }
    EMOJI.lastIndex = place
    const emoji = EMOJI.exec(text)?.[0], code = text.codePointAt(place)
    if (emoji && ([...emoji].length > 1 || code >= 0x203c)) { total += 2; place += emoji.length; continue }
    total += light(code) ? 1 : 2
    place += code > 0xffff ? 2 : 1
  }
  return total
}
export function learn(tlds) { known = new Set(tlds.trim().split(/\s+/)) }
export function characters(text, link = 0) {
  if (!link) return graphemes(text)
  const links = [...text.matchAll(WEB)].map(match => bare(match[0]))
  return graphemes(links.reduce((rest, one) => rest.replace(one, ""), text).replace(FAR, "@$1")) + links.length * link
}
export function left(kind, text, { limit, link, bytes }) {
  if (kind === "weighted") return limit - weighted(text, link || 23)
  if (kind === "graphemes+bytes") { const over = (bytes || Infinity) - new TextEncoder().encode(text).length; return over < 0 ? over : limit - graphemes(text) }
  if (kind === "characters") return limit - characters(text, link)
  if (kind === "bytes") return limit - new TextEncoder().encode(text).length
  return kind === "utf16" ? limit - text.trim().length : Infinity
}

globalThis.customElements?.define("reply-counter", class extends HTMLElement {
  #was = Infinity
  connectedCallback() { document.addEventListener("input", this); document.addEventListener("submit", this, true); this.#count(); this.#learn() }
  disconnectedCallback() { document.removeEventListener("input", this); document.removeEventListener("submit", this, true) }
  async #learn() {
    if (this.getAttribute("kind") !== "weighted" || !this.getAttribute("tlds")) return
    const answer = await fetch(this.getAttribute("tlds")).catch(() => null)
    if (answer?.ok) { learn(await answer.text()); this.#count() }
  }
  get #box() { return document.getElementById(this.getAttribute("for")) }
  handleEvent(event) {
    if (event.type === "input" && event.target === this.#box) this.#count()
    if (event.type !== "submit" || event.target !== this.#box?.form || this.#was >= 0) return
    event.preventDefault(); event.stopImmediatePropagation()
    this.#say(this.dataset.textOver, -this.#was)
  }
  #count() {
    const [limit, link, bytes] = ["limit", "link", "bytes"].map(name => +this.getAttribute(name)), count = left(this.getAttribute("kind"), (this.#box?.value ?? "").trim(), { limit, link, bytes })
    const low = count <= Math.max(20, limit / 10)
    this.textContent = count === Infinity ? "" : count < 0 ? `−${-count}` : count
    this.dataset.mood = count < 0 ? "danger" : low && count !== Infinity ? "warn" : ""
    this.#box?.toggleAttribute("data-over", count < 0)
    for (const mark of [20, 0]) if (count <= mark && this.#was > mark && this.#was !== Infinity) this.#say(this.dataset.textFew, count)
    if (count < 0 && this.#was >= 0) this.#say(this.dataset.textOver, -count)
    this.#was = count
  }
  #say(text = "%d", count) { this.dispatchEvent(new CustomEvent("say", { bubbles: true, detail: { text: text.replace("%d", count), about: "counter" } })) }
})
