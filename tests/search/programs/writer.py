"""Write trials to the study of a storage: URL, how many, a number of its own, whose lock."""

import sys

import optuna
from optuna.storages.journal import JournalFileBackend

from scyan_exp.search.storage.opening import open_storage


def main(url: str, n_trials: str, own: str, lock: str) -> None:
    storage = (
        open_storage(url)
        if lock == "ours"
        else optuna.storages.JournalStorage(JournalFileBackend(url.removeprefix("journal://")))
    )
    study = optuna.load_study(study_name="s", storage=storage)
    print("ready", flush=True)
    for _ in range(int(n_trials)):
        trial = study.ask()
        x = trial.suggest_float("x", 0, 1)
        for step in range(3):
            trial.report(x + step, step)
        trial.set_user_attr("own", float(own))
        study.tell(trial, float(own) + x)
        print(trial.number, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
