"""scim2-server, unmodified, on a port that the system chooses: python scim_server.py TOKEN PATCH

PATCH is true or false. Prints the base URL when the server is ready.
"""

import json
import socket
import sys
import tempfile
import threading
import time
import urllib.request

from scim2_server.testserver.cli import main
from scim2_server.utils import load_default_service_provider_config


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def announce(url, token):
    """Prints the URL as soon as the server responds."""
    request = urllib.request.Request(f"{url}/Users", headers={"Authorization": f"Bearer {token}"})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    for _ in range(1_000):
        try:
            opener.open(request).close()
            print(url, flush=True)
            return
        except OSError:
            time.sleep(0.02)


def config_without_patch():
    config = load_default_service_provider_config().model_dump()
    config["patch"] = {"supported": False}
    file = tempfile.NamedTemporaryFile("w", suffix=".json")
    json.dump(config, file)
    file.flush()
    return file


token, patch = sys.argv[1:]
port = free_port()
arguments = ["--port", str(port), "--bearer-token", token]
config = config_without_patch()
if patch == "false":
    arguments += ["--service-provider-config", config.name]
sys.argv[1:] = arguments
threading.Thread(target=announce, args=(f"http://127.0.0.1:{port}/v2", token), daemon=True).start()
main()
