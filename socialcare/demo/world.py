"""Who talks on the demo network and about what: a cast with habits, and many passing customers in several languages."""

from dataclasses import dataclass
from random import Random


@dataclass(frozen=True)
class Person:
    id: str
    name: str
    lang: str
    followers: int
    topics: tuple[str, ...]
    """What this person talks about."""


CAST = {
    person.id: person
    for person in (
        Person("carla", "Carla", "en", 340, ("defect", "support", "refund")),
        Person("theo", "Theo", "fr", 120, ("praise_nadia", "praise")),
        Person("wes", "Wes", "en", 48_200, ("review", "campaign")),
        Person("ines", "Ines", "es", 75, ("job",)),
        Person("rob", "Rob", "en", 910, ("idea", "expectation")),
    )
}
PASSING = {
    "en": "Customer",
    "de": "Kundin",
    "fr": "Cliente",
    "es": "Clienta",
    "pt": "Cliente",
    "it": "Cliente",
    "ja": "お客様",
}
WEIGHTS = {
    "support": 20, "defect": 16, "refund": 12, "chatter": 16, "praise": 8, "praise_nadia": 5, "job": 6, "expectation":
    8, "campaign": 6, "idea": 6, "review": 3,
}  # fmt: skip

SLOTS = {
    "product": ("the app", "the kettle", "the Nova lamp", "the web shop", "the loyalty card", "the travel mug"),
    "place": ("Lyon", "Porto", "Leeds", "Hamburg", "Valencia", "Turin"),
    "device": ("iOS 26", "Android 16", "Firefox", "my old tablet", "Chrome", "a work laptop"),
    "days": ("2", "3", "5", "8", "14", "21"),
    "order": ("40217", "40388", "41902", "42555", "43001", "44710"),
    "amount": ("19 €", "24.90 €", "49 €", "79 €", "120 €", "150 €"),
}

SAID: dict[str, dict[str, tuple[str, ...]]] = {
    "support": {
        "en": (
            "@brand order {order} has not arrived after {days} days. Where is it?",
            "How do I change the address on order {order}, @brand?",
            "@brand nobody picks up the phone in {place}. How can I reach you?",
            "@brand which bulb fits the Nova lamp? The box does not say.",
        ),
        "de": (
            "@brand Bestellung {order} ist seit {days} Tagen unterwegs. Wo bleibt sie?",
            "@brand wie ändere ich meine Lieferadresse? Im Konto finde ich nichts.",
        ),
        "fr": (
            "@brand ma commande {order} n'est toujours pas là après {days} jours…",
            "@brand comment joindre le magasin de {place} ? Personne ne répond.",
        ),
        "es": ("@brand llevo {days} días esperando el pedido {order}. ¿Dónde está?",),
        "pt": ("@brand a encomenda {order} devia ter chegado há {days} dias. Alguma notícia?",),
        "it": ("@brand il mio ordine {order} è fermo da {days} giorni, potete controllare?",),
        "ja": ("@brand 注文{order}がまだ届きません。{days}日待っています。",),
    },
    "defect": {
        "en": (
            "@brand the refund page is blank on {device}.",
            "{product} stopped working after {days} days, @brand. Not impressed.",
            "@brand the lid of the travel mug leaks. Third one in a row.",
            "Since the update @brand logs me out every time I open it on {device}.",
        ),
        "de": ("@brand die App stürzt auf {device} beim Bezahlen ab.", "Der Deckel vom Becher ist undicht, @brand."),
        "fr": ("@brand la page de remboursement reste blanche sur {device}.",),
        "es": ("@brand la aplicación se cierra sola en {device} al pagar.",),
        "ja": ("@brand アプリが{device}で落ちます。",),
    },
    "refund": {
        "en": (
            "@brand you said 14 days for a refund, now the mail says 30. Which is it?",
            "Still waiting for {amount} back from @brand, order {order}.",
        ),
        "de": ("@brand ich warte seit {days} Tagen auf {amount} Erstattung.",),
        "fr": ("@brand toujours pas remboursée de {amount}, commande {order}.",),
        "es": ("@brand ¿cuándo me devuelven los {amount} del pedido {order}?",),
    },
    "praise": {
        "en": (
            "Ordered on Monday, here on Tuesday. Well done @brand!",
            "The new packaging of @brand has no plastic. Thank you.",
        ),
        "de": ("Super freundliche Beratung bei @brand in {place}, danke!",),
        "fr": ("Bravo @brand, échange fait en cinq minutes à {place}.",),
        "it": ("Grazie @brand, il negozio di {place} è stato gentilissimo.",),
    },
    "praise_nadia": {
        "en": ("@brand Nadia in Lyon stayed late for us. Please tell her thank you!",),
        "fr": (
            "@brand Nadia à Lyon est restée tard pour nous. Merci à elle !",
            "Un grand merci à Nadia du magasin de Lyon, @brand : patience et sourire.",
        ),
    },
    "job": {
        "en": (
            "@brand are you hiring in {place}? I have five years in retail.",
            "Is the shop assistant position still open, @brand?",
        ),
        "es": (
            "@brand ¿tenéis vacantes en {place}? Tengo experiencia en tienda.",
            "@brand ¿a quién envío mi currículum?",
        ),
        "de": ("@brand sucht ihr in {place} noch Auszubildende?",),
        "pt": ("@brand estão a recrutar no {place}? Gostava de me candidatar.",),
    },
    "expectation": {
        "en": (
            "The advert said free delivery, at checkout it is {amount}. @brand?",
            "I thought {product} came with a cable, @brand. It does not say otherwise on the page.",
        ),
        "de": ("In der Werbung hieß es „gratis Versand“, @brand. Warum zahle ich {amount}?",),
        "fr": ("La pub dit livraison offerte, la caisse dit {amount}. @brand ?",),
    },
    "campaign": {
        "en": (
            "That new @brand spot with the dancing kettle… who approved this? (I laughed.)",
            "Saw the @brand campaign in {place}.",
        ),
        "es": ("El anuncio nuevo de @brand es buenísimo.",),
        "it": ("La nuova pubblicità di @brand è ovunque a {place}.",),
    },
    "idea": {
        "en": (
            "Idea for @brand: let us return things at the {place} shop without printing a label.",
            "@brand please add a dark mode to the app. I would use it every night.",
        ),
        "de": ("Vorschlag, @brand: eine Nachfüllpackung ohne Plastik.",),
    },
    "review": {
        "en": (
            "New on my blog: three weeks with {product} by @brand. Solid, quiet, one annoying button.",
            "I compared {product} with two others. @brand wins on repairs, loses on the manual.",
        ),
    },
    "chatter": {
        "en": (
            "My cat has decided that the @brand box is hers now.",
            "Monday. Coffee. @brand mug. Go.",
            "Walking past @brand in {place}, nice window.",
        ),
        "de": ("Der Karton von @brand ist jetzt das Haus der Katze.",),
        "fr": ("Pause café avec ma tasse @brand.",),
        "ja": ("@brand のマグカップで朝のコーヒー。",),
        "pt": ("O meu gato adora a caixa da @brand.",),
    },
}

THANKS = {
    "en": ("Thank you, that worked!", "Perfect, thanks for the quick answer.", "Great, thank you."),
    "de": ("Danke, das hat geklappt!",),
    "fr": ("Merci, c'est réglé !",),
    "es": ("¡Gracias, ya funciona!",),
}
STILL = {
    "en": ("Still broken, sorry.", "I tried that already. It is still the same.", "And when will that be?"),
    "de": ("Leider immer noch kaputt.",),
    "fr": ("Toujours pareil, désolée.",),
    "es": ("Sigue sin funcionar.",),
}
AFTERTHOUGHT = {"en": "(Edit: sorry, typo.)", "de": "(Korrigiert.)", "fr": "(Corrigé.)", "es": "(Corregido.)"}


def someone(random: Random, topic: str) -> Person:
    """Whoever says something about this topic: one of the cast now and then, else a passing customer."""
    fitting = [person for person in CAST.values() if topic in person.topics]
    if fitting and random.random() < 0.45:
        return random.choice(fitting)
    lang = random.choice(sorted(SAID[topic]))
    number = random.randint(100, 999)
    return Person(f"customer-{lang}-{number}", f"{PASSING[lang]} {number}", lang, random.randint(3, 4_000), (topic,))


def something(random: Random, topic: str, lang: str) -> tuple[str, str]:
    """A text about the topic, and its language: the person's own where there is one."""
    said = SAID[topic]
    lang = lang if lang in said else "en"
    return random.choice(said[lang]).format(**{slot: random.choice(values) for slot, values in SLOTS.items()}), lang


def a_topic(random: Random) -> str:
    return random.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]


def reaction(random: Random, lang: str) -> str:
    """What a customer answers to our reply."""
    choices = THANKS if random.random() < 0.65 else STILL
    return random.choice(choices.get(lang, choices["en"]))


def person_called(name: str) -> Person:
    """One of the cast, or a new passing customer of that name."""
    return CAST.get(name.lower()) or Person(name.lower().replace(" ", "-"), name, "en", 50, ("support",))
