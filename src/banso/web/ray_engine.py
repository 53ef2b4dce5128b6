"""Workers on a Ray cluster, behind Ray Serve; nothing else of the service knows Ray.

A lane hands its task, with the recording's bytes, to a replica somewhere in the cluster and gets
messages back as they come, the last one with the files' bytes; machines need share no disk.

References:
    Ray documentation, "Serve: streaming responses" and "Serve: request cancellation".
"""

import dataclasses
import queue
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from banso.errors import ConfigError
from banso.web.folders import finish_folder
from banso.web.messages import DONE, PROGRESS, Message, Task, Worker, WorkerDiedError
from banso.web.performing import CancelledTaskError, perform
from banso.web.remembering import RememberingAccompanist
from banso.web.settings import ServiceSettings
from banso.web.worker import warm_up

APPLICATION = "banso"
Files = dict[str, bytes]


class Replica:
    """What runs in the cluster: one model, one task at a time.

    Args:
        bundle: Folder of the model, on every machine; None takes the one inside the package.
        threads: CPU threads to use.
    """

    def __init__(self, bundle: Path | None, threads: int) -> None:
        self._accompanist = RememberingAccompanist.from_bundle(bundle, threads)
        warm_up(self._accompanist)

    def do(self, line: str, inputs: Files) -> Iterator[tuple[str, Files]]:
        """Do a task; yield messages, the last one with the files that came of it.

        Args:
            line: The task.
            inputs: Contents of `audio`, and of `earlier` where the task has one.
        """
        with tempfile.TemporaryDirectory(prefix="banso-") as name:
            folder, task = Path(name), Task.from_line(line)
            for role, content in inputs.items():
                (folder / role).write_bytes(content)
            local = dataclasses.replace(
                task,
                audio=str(folder / "audio"),
                part=str(folder / "part"),
                complete=str(folder / "complete"),
                earlier=str(folder / "earlier") if "earlier" in inputs else None,
            )
            said: queue.Queue[Message] = queue.Queue()
            gone = threading.Event()

            def on_progress(fraction: float) -> None:
                if gone.is_set():
                    raise CancelledTaskError
                said.put(Message(kind=PROGRESS, fraction=fraction))

            def work() -> None:
                said.put(perform(local, self._accompanist, on_progress))

            thread = threading.Thread(target=work, daemon=True)
            thread.start()
            try:
                while not (message := said.get()).is_last:
                    yield message.to_line(), {}
            finally:
                # Also if the lane has given the task up: then nobody waits for its end but us.
                gone.set()
                thread.join()
            files = {}
            if message.kind == DONE:
                files = {path.name: path.read_bytes() for path in Path(local.complete).iterdir()}
            yield message.to_line(), files


class RayWorker:
    """A lane's way to the cluster.

    Args:
        stream: Starts a task and returns what it says; can be cancelled.
    """

    def __init__(self, stream: Callable[[str, Files], Any]) -> None:
        self._stream = stream
        self._said: queue.Queue[Message | WorkerDiedError] = queue.Queue()
        self._response: Any = None

    @property
    def alive(self) -> bool:
        """The cluster restarts its replicas by itself."""
        return True

    def start(self) -> None:
        """Nothing to do: the cluster has started them."""

    def begin(self, task: Task) -> None:
        """Hand the cluster a task."""
        self._said = queue.Queue()
        paths = {"audio": task.audio, "earlier": task.earlier}
        inputs = {role: Path(path).read_bytes() for role, path in paths.items() if path}
        self._response = self._stream(task.to_line(), inputs)
        listen = (self._response, task, self._said)
        threading.Thread(target=_listen, args=listen, daemon=True).start()

    def receive(self, timeout_seconds: float) -> Message | None:
        """Return what it says next, or None if it says nothing for a while.

        Raises:
            WorkerDiedError: If the replica is gone.
        """
        try:
            said = self._said.get(timeout=timeout_seconds)
        except queue.Empty:
            return None
        if isinstance(said, WorkerDiedError):
            raise said
        return said

    def cancel(self) -> None:
        """Give the task up; what it says after that is not listened to."""
        self.kill()
        self._said.put(Message(kind="cancelled"))

    def kill(self) -> None:
        """Give the task up."""
        if self._response is not None:
            self._said = queue.Queue()
            with suppress(Exception):
                self._response.cancel()


def _listen(
    response: Iterator[tuple[str, Files]],
    task: Task,
    said: "queue.Queue[Message | WorkerDiedError]",
) -> None:
    try:
        for line, files in response:
            message = Message.from_line(line)
            if message.kind == DONE:
                _keep(task, files)
            said.put(message)
    except Exception as error:
        said.put(WorkerDiedError(f"the cluster lost the task: {type(error).__name__}"))


def _keep(task: Task, files: Files) -> None:
    part = Path(task.part)
    part.mkdir(mode=0o700)
    for name, content in files.items():
        (part / name).write_bytes(content)
    finish_folder(part, Path(task.complete))


def ray_workers(settings: ServiceSettings) -> Callable[[], Worker]:
    """Start the replicas and return what makes a lane's worker.

    Raises:
        ConfigError: If Ray is not installed.
    """
    try:
        from ray import serve
    except ModuleNotFoundError as error:
        raise ConfigError(
            "the engine 'ray' needs Ray Serve, which is not installed; pip install 'banso[cluster]'"
        ) from error
    # Requests come through our own server; Ray's would only open another port.
    serve.start(proxy_location="Disabled")
    options = {"num_cpus": settings.threads_per_worker}
    deployment = serve.deployment(
        Replica, num_replicas=settings.workers, max_ongoing_requests=1, ray_actor_options=options
    )
    bound = deployment.bind(settings.bundle, settings.threads_per_worker)
    handle = serve.run(bound, name=APPLICATION, route_prefix=None).options(stream=True)
    return lambda: RayWorker(handle.do.remote)
