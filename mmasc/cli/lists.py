"""Options that take all words after them: `--prompts A B C` is `--prompts A --prompts B --prompts C`."""

import click


class ListCommand(click.Command):
    """A command whose options with `multiple=True` go on until the next option.

    Arguments that do not belong to a list (the collection) therefore come before the lists, or after `--`.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        lists = {
            name
            for option in self.params
            if isinstance(option, click.Option) and option.multiple
            for name in option.opts
        }
        spread: list[str] = []
        current: str | None = None  # the option that the next words belong to
        for place, word in enumerate(args):
            if word == "--":
                spread += args[place:]
                break
            if word in lists:
                current = word
                spread.append(word)
            elif word.startswith("-") and len(word) > 1:
                current = None
                spread.append(word)
            elif current is not None and spread[-1] != current:
                spread += [current, word]
            else:
                spread.append(word)
        return super().parse_args(ctx, spread)
