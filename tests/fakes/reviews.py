"""What the fakes of review services share: reviews with stars, and one answer to each, which the next one replaces."""

from datetime import UTC, datetime

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.fakes.network import FakeNetwork

STARS = 2
RSA, EC = rsa.generate_private_key(65537, 2048), ec.generate_private_key(ec.SECP256R1())


def pem(key):
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def stamp(at):
    return at.isoformat(timespec="seconds").replace("+00:00", "Z")


class FakeReviews(FakeNetwork):
    prefix = ""
    """Before the number in our external ids."""

    def __init__(self):
        super().__init__()
        self.reviews, self.spoiled, self.written = {}, set(), []

    def is_writing(self, asked):
        return super().is_writing(asked) and asked.path != "/token"

    def above(self, first, second):
        return []

    def say(self, text, person="carla", parent=None, **more):
        number, at = self.next()
        one = f"r{number:05}"
        self.reviews[one] = {"text": text, "who": person.title(), "at": at, "changed": at, "stars": STARS,
                             "answer": None, "more": more}  # fmt: skip
        return self.prefix + one

    def one(self, identity):
        return self.reviews.get(identity.removeprefix(self.prefix))

    def edit(self, identity, text):
        self.one(identity).update(text=text, changed=datetime.now(UTC))

    def delete(self, identity):
        del self.reviews[identity.removeprefix(self.prefix)]

    def spoil(self):
        self.spoiled.add(self.say("x").removeprefix(self.prefix))

    def ids(self):
        return {self.prefix + one for one in self.reviews if one not in self.spoiled}

    def texts(self):
        """Also those that were replaced, as long as there is any."""
        return [text for one, text in self.written if one not in self.reviews or self.reviews[one]["answer"]]

    def made(self):
        return [told["answer"] for told in self.reviews.values() if told["answer"]]

    def replied(self, one, text):
        """Whoever answers last is shown; to say the same again changes nothing."""
        if (self.reviews[one]["answer"] or {}).get("text") != text:
            self.written.append((one, text))
        self.reviews[one]["answer"] = {"text": text, "at": datetime.now(UTC)}

    def newest(self, by="changed"):
        return sorted(self.reviews, key=lambda one: (self.reviews[one][by], one), reverse=True)

    def part(self, token, size):
        """A page of the newest, and the token of the next one."""
        if self.stuck:
            return self.newest()[:3], "again"
        start, found = int(token or 0), self.newest()
        return found[start : start + size], str(start + size) if start + size < len(found) else ""
