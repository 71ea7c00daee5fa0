from django.apps import AppConfig


class SocialcareConfig(AppConfig):
    name = "socialcare"

    def ready(self) -> None:
        from socialcare import celery  # noqa: F401  whoever rings, from whichever process, rings by its settings
