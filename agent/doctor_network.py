"""The doctor's look at the network: is the other side there, is its certificate good, does it let this agent in?"""

import errno
import socket
import time
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from agent.certificates import Fault, fault_of
from agent.config import AgentConfig
from agent.connection import SYSTEM, Broker, refusal_of
from agent.download import NO_FILE, Source, authorization, connection_to
from agent.errors import NoFile
from agent.findings import Finding, Trouble, Verdict, good, same
from device_profiles.profile import Words

if TYPE_CHECKING:
    from ssl import SSLCertVerificationError

PATIENCE_S = 5.0
_BROKER = Words("broker", "máy chủ tin nhắn")
_SERVER = Words("server", "máy chủ")
_ENROL = Words(
    "Enrol this agent again: fabfleet-agent enrol URL TOKEN", "Đăng ký lại agent: fabfleet-agent enrol URL TOKEN"
)


def broker(config: AgentConfig) -> Finding:
    """Of an agent that does not run: this logs in, which would end its connection."""
    trouble = way_to_broker(config.broker)
    if trouble:
        return trouble.of(_BROKER)
    where = f"{config.broker.host}:{config.broker.port}"
    try:
        refused = refusal_of(config.broker, config.address)
    except OSError as error:
        return unreachable(error, where).of(_BROKER)
    return _refusal(where, refused).of(_BROKER) if refused else good("broker", _BROKER, same(where))


def running_broker(config: AgentConfig, *, online: bool, why: str) -> Finding:
    """Of an agent that runs: `why` is its own word; the way there is looked at again."""
    where = f"{config.broker.host}:{config.broker.port}"
    if online:
        return good("broker", _BROKER, same(where))
    return (way_to_broker(config.broker) or _refusal(where, why)).of(_BROKER)


def server(source: Source) -> Finding:
    """Whether job files can be fetched: asks for one that is nobody's, and hears how that is refused."""
    trouble = _way_to_server(source)
    return trouble.of(_SERVER) if trouble else good("server", _SERVER, same(source.url))


def way_to_broker(broker: Broker) -> Trouble | None:
    """What is in the way, up to and with the certificate. No word of MQTT is said."""
    where = f"{broker.host}:{broker.port}"
    return _way(broker.host, broker.port, where, _authorities(broker.tls_ca) if broker.tls_ca else None)


def _authorities(tls_ca: str) -> str:
    return "" if tls_ca == SYSTEM else tls_ca


def unreachable(error: OSError, where: str) -> Trouble:
    """Why there is no connection, by what the system says."""
    if isinstance(error, socket.gaierror):
        return Trouble(
            "name-unknown",
            Words(f"{where}: nobody knows a computer of this name", f"{where}: không tìm thấy máy có tên này"),
            Words(
                "Look at the spelling, and whether this computer has a network and a name server.",
                "Kiểm tra chính tả, và xem máy này có mạng và máy chủ tên miền (DNS) không.",
            ),
        )
    if isinstance(error, ConnectionRefusedError):
        return Trouble(
            "nothing-listens",
            Words(
                f"{where}: the computer is there, but no program answers at this port",
                f"{where}: máy có đó nhưng không chương trình nào trả lời ở cổng này",
            ),
            Words(
                "Start the program there, and look whether the port is right.",
                "Khởi động chương trình ở đó, và xem cổng có đúng không.",
            ),
        )
    if error.errno in (errno.ENETUNREACH, errno.ENETDOWN):
        return Trouble(
            "no-network",
            Words(f"{where}: this computer has no network", f"{where}: máy này không có mạng"),
            Words("Look at the network cable or the Wi-Fi.", "Kiểm tra cáp mạng hoặc Wi-Fi."),
        )
    if isinstance(error, TimeoutError) or error.errno == errno.EHOSTUNREACH:
        return Trouble(
            "no-answer",
            Words(f"{where}: no answer", f"{where}: không trả lời"),
            Words(
                "Look whether that computer is on and in the same network, and whether a firewall is in between.",
                "Xem máy đó đã bật và cùng mạng chưa, và có tường lửa chắn giữa không.",
            ),
        )
    return Trouble(
        "no-way",
        same(f"{where}: {error}"),
        Words("Look at the network cable or Wi-Fi.", "Kiểm tra cáp mạng hoặc Wi-Fi."),
    )


def reach(host: str, port: int) -> Trouble | None:
    """Whether somebody takes a connection there."""
    return _way(host, port, f"{host}:{port}", None)


def _way(host: str, port: int, where: str, tls_ca: str | None) -> Trouble | None:
    """`tls_ca`: None without TLS, empty for the system's certificates."""
    try:
        with socket.create_connection((host, port), timeout=PATIENCE_S) as connection:
            return None if tls_ca is None else _certificate(connection, host, where, tls_ca)
    except OSError as error:
        return unreachable(error, where)


def _certificate(connection: socket.socket, host: str, where: str, tls_ca: str) -> Trouble | None:
    import ssl

    try:
        context = ssl.create_default_context(cafile=tls_ca or None)
    except OSError as error:
        return Trouble(
            "authorities-unusable",
            same(f"tls_ca = {tls_ca}: {error.strerror or error}"),
            Words(
                "Let tls_ca in agent.toml name the file with the certificate of the server's authority (PEM).",
                "Cho tls_ca trong agent.toml trỏ tới tệp chứng chỉ gốc của máy chủ (PEM).",
            ),
        )
    try:
        with context.wrap_socket(connection, server_hostname=host):
            return None
    except ssl.SSLCertVerificationError as error:
        return _bad_certificate(error, where)
    except (ssl.SSLError, ConnectionError, TimeoutError):
        return Trouble(
            "no-tls",
            Words(f"{where} does not speak TLS", f"{where} không dùng TLS"),
            Words(
                "Take tls_ca out of agent.toml, or the s of https, or switch TLS on at the server.",
                "Bỏ tls_ca trong agent.toml (hoặc chữ s của https), hoặc bật TLS ở máy chủ.",
            ),
        )


def _bad_certificate(error: "SSLCertVerificationError", where: str) -> Trouble:
    fault, message = fault_of(error), error.verify_message
    today = time.strftime("%Y-%m-%d %H:%M")
    if fault is Fault.NOT_YET_VALID:
        return Trouble(
            "clock-wrong",
            Words(
                f"{where}: its certificate begins later than now; the clock of this computer says {today}",
                f"{where}: chứng chỉ chưa đến ngày hiệu lực; đồng hồ máy này chỉ {today}",
            ),
            Words(
                "Set the clock: sudo timedatectl set-ntp true, or sudo date -s 'YYYY-MM-DD HH:MM'.",
                "Chỉnh đồng hồ: sudo timedatectl set-ntp true, hoặc sudo date -s 'NĂM-THÁNG-NGÀY GIỜ:PHÚT'.",
            ),
        )
    if fault is Fault.EXPIRED:
        return Trouble(
            "certificate-expired",
            Words(
                f"{where}: its certificate has expired; the clock of this computer says {today}",
                f"{where}: chứng chỉ đã hết hạn; đồng hồ máy này chỉ {today}",
            ),
            Words(
                "If that is not the time, set the clock; else renew the certificate at the server.",
                "Nếu giờ đó sai thì chỉnh đồng hồ; nếu đúng thì gia hạn chứng chỉ ở máy chủ.",
            ),
        )
    if fault is Fault.NAME:
        return Trouble(
            "certificate-name",
            Words(f"{where}: its certificate is for another name", f"{where}: chứng chỉ cấp cho tên khác"),
            Words(
                "Write the name that is in the certificate into agent.toml, or make a certificate for this one.",
                "Ghi tên có trong chứng chỉ vào agent.toml, hoặc tạo chứng chỉ cho tên này.",
            ),
        )
    return Trouble(
        "certificate-authority",
        Words(
            f"{where}: this computer does not know who made its certificate ({message})",
            f"{where}: máy này không biết ai cấp chứng chỉ đó ({message})",
        ),
        Words(
            "Let tls_ca in agent.toml name the file with the certificate of the server's authority (PEM).",
            "Cho tls_ca trong agent.toml trỏ tới tệp chứng chỉ gốc của máy chủ (PEM).",
        ),
    )


def _refusal(where: str, why: str) -> Trouble:
    if why.startswith("the broker refused"):
        return Trouble(
            "broker-refused",
            Words(f"{where} does not let this agent in: {why}", f"{where} không cho agent này vào: {why}"),
            _ENROL,
        )
    return Trouble(
        "broker-silent",
        Words(
            f"{where} is there, but no connection came about: {why}", f"{where} có đó nhưng chưa kết nối được: {why}"
        ),
        Words(
            "Look whether broker.port and broker.tls_ca in agent.toml are right; else wait a minute and look again.",
            "Xem broker.port và broker.tls_ca trong agent.toml có đúng không; nếu đúng, chờ một phút rồi xem lại.",
        ),
    )


def _way_to_server(source: Source) -> Trouble | None:
    if not source.url:
        return Trouble(
            "server-unknown",
            Words(
                "controller.url is not set: no job file can be fetched", "chưa có controller.url: không tải được tệp in"
            ),
            Words(
                'Write into agent.toml, under [controller]: url = "http://SERVER:PORT", as in the browser.',
                'Ghi vào agent.toml, dưới [controller]: url = "http://MÁY-CHỦ:CỔNG", như trong trình duyệt.',
            ),
            Verdict.DOUBTFUL,
        )
    try:
        connection = connection_to(source, PATIENCE_S)
    except NoFile as error:
        return Trouble(
            "server-address",
            same(str(error)),
            Words("Correct [controller] in agent.toml.", "Sửa mục [controller] trong agent.toml."),
        )
    tls_ca = source.tls_ca if urlsplit(source.url).scheme == "https" else None
    return _way(connection.host, connection.port, source.url, tls_ca) or _server_refusal(source)


def _server_refusal(source: Source) -> Trouble | None:
    from http.client import HTTPException

    connection = connection_to(source, PATIENCE_S)
    proof = authorization(source.address, source.key, NO_FILE)
    try:
        connection.request("GET", urlsplit(source.url).path.rstrip("/") + NO_FILE, headers={"Authorization": proof})
        status = connection.getresponse().status
    except OSError as error:
        return unreachable(error, source.url)
    except HTTPException:
        status = 0
    finally:
        connection.close()
    if status == 404:
        return None
    if status in (401, 403):
        return Trouble(
            "server-refused",
            Words(f"{source.url} does not know this agent ({status})", f"{source.url} không biết agent này ({status})"),
            _ENROL,
        )
    return Trouble(
        "server-strange",
        Words(
            f"{source.url} answers {status or 'no HTTP'}, which the server of Fabfleet does not",
            f"{source.url} trả lời {status or 'không phải HTTP'}, không giống máy chủ Fabfleet",
        ),
        Words(
            "Look at controller.url in agent.toml: it is the address that you open in the browser.",
            "Xem controller.url trong agent.toml: đó là địa chỉ mở trong trình duyệt.",
        ),
    )
