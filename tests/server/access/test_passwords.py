"""Passwords: how they are set, forgotten and guessed at."""

import asyncio
import base64
import os
import re
import sys
import threading

import pytest

from orchestrator_server import mail
from orchestrator_server.access import passwords, resets, service, throttle
from orchestrator_server.access.callers import SYSTEM
from orchestrator_server.errors import TooMany, Unauthenticated
from orchestrator_server.http.keys import DATABASE, MAILER, SETUP_TOKEN, THROTTLE
from sdk.contract.settings import SecuritySettings
from tests.conftest import serving
from tests.server.access.test_management import make_user
from tests.support.world import ADMIN_PASSWORD, api_at

NEW = "another long password"


async def login(api, username="admin", password=ADMIN_PASSWORD, **headers):
    form = {"username": username, "password": password}
    return await api.ask("POST", "/api/auth/login", data=form, headers=headers)


async def settings(admin, group, **keys):
    return await admin.ask("PUT", f"/api/settings/{group}", status=200, json=keys)


async def test_nobody_registers_unless_the_settings_say_so(admin, api):
    wanted = {"username": "eve", "password": NEW}
    refused = await api.post("/api/auth/register", 403, **wanted)
    assert refused["type"] == "/problems/registration-disabled"
    await settings(admin, "security", registration_enabled=True)
    for more in ({"is_admin": True}, {"role_ids": [1]}, {"roles": ["Administrator"]}):
        await api.post("/api/auth/register", 422, **wanted, **more)
    user = await api.post("/api/auth/register", 201, **wanted)
    assert user["is_admin"] is False
    eve = await api.sign_in("eve", NEW)
    assert not any((await eve.get("/api/auth/me"))["permissions"]["flat"].values())
    await api.post("/api/auth/register", 409, **wanted)


async def test_the_length_of_a_password_is_a_setting(admin):
    await settings(admin, "security", password_min_length=30)
    await make_user(admin, "ada", 422)
    await make_user(admin, "ada", password="a much longer password than before")


async def test_a_sign_in_lasts_as_long_as_is_set(admin, api, clock):
    await settings(admin, "security", access_token_minutes=5)
    assert (await login(api)).body["expires_in"] == 300
    later = await api.sign_in()
    clock.advance(minutes=5)
    assert (await later.ask("GET", "/api/auth/me")).status == 401


async def test_changing_ones_password_ends_ones_other_sign_ins(admin, api):
    other = await api.sign_in()
    wrong = {"current_password": "not this one", "new_password": NEW}
    await admin.post("/api/auth/password", 403, **wrong)
    right = {"current_password": ADMIN_PASSWORD}
    await admin.post("/api/auth/password", 422, **right, new_password="admin")
    await admin.post("/api/auth/password", 204, **right, new_password=NEW)
    assert (await admin.ask("GET", "/api/auth/me")).status == 200
    assert (await other.ask("GET", "/api/auth/me")).status == 401
    assert (await login(api)).status == 401
    assert (await login(api, password=NEW)).status == 200


async def test_a_reset_token_works_once_and_for_half_an_hour(admin, api, clock):
    user = await make_user(admin, "ada")
    ada = await api.sign_in("ada")
    path = f"/api/access/users/{user['id']}/reset"
    first, second = await admin.post(path, 201), await admin.post(path, 201)
    wrong = second["token"][:-1] + ("y" if second["token"].endswith("x") else "x")
    bad = [first["token"], wrong, "", "rw_rst_x", "x" * 200]
    answers = [await api.post("/api/auth/reset", token=token, new_password=NEW) for token in bad]
    assert {(a.status, a.body["detail"]) for a in answers} == {(422, answers[0].body["detail"])}
    weak = await api.post("/api/auth/reset", 422, token=second["token"], new_password="short")
    assert weak["errors"][0]["pointer"] == "#/new_password"
    await api.post("/api/auth/reset", 204, token=second["token"], new_password=NEW)
    await api.post("/api/auth/reset", 422, token=second["token"], new_password=NEW)
    assert (await ada.ask("GET", "/api/auth/me")).status == 401
    assert (await login(api, "ada", NEW)).status == 200
    late = await admin.post(path, 201)
    clock.advance(minutes=31)
    await api.post("/api/auth/reset", 422, token=late["token"], new_password=NEW)
    trail = str((await admin.get("/api/audit?page_size=200"))["items"])
    assert "password.reset" in trail
    assert late["token"] not in trail


class Postbox:
    """A mail server for a test: says yes to everything, keeps what it is given."""

    def __init__(self):
        self.mails, self.signed_in = [], []

    async def serve(self, reader, writer):
        writer.write(b"220 here\r\n")
        body = None
        while line := await reader.readline():
            if body is not None:
                if line == b".\r\n":
                    self.mails.append(b"".join(body).decode())
                    body = None
                    writer.write(b"250 ok\r\n")
                else:
                    body.append(line)
                continue
            verb = line[:4].upper()
            if verb == b"EHLO":
                writer.write(b"250-here\r\n250 AUTH PLAIN\r\n")
            elif verb == b"AUTH":
                self.signed_in.append(base64.b64decode(line.split()[2]).decode())
                writer.write(b"235 ok\r\n")
            elif verb == b"DATA":
                body = []
                writer.write(b"354 go on\r\n")
            elif verb == b"QUIT":
                writer.write(b"221 bye\r\n")
                break
            else:
                writer.write(b"250 ok\r\n")
        writer.close()


@pytest.fixture
async def postbox():
    box = Postbox()
    server = await asyncio.start_server(box.serve, "127.0.0.1", 0)
    box.port = server.sockets[0].getsockname()[1]
    yield box
    server.close()


async def test_whoever_forgot_a_password_gets_a_token_by_mail(admin, api, server, postbox):
    await make_user(admin, "ada", email="ada@example.com")
    await make_user(admin, "bob")
    address = {"host": "127.0.0.1", "port": postbox.port, "tls": "none"}
    await settings(admin, "email", enabled=True, from_address="rw@example.com", **address)
    await settings(admin, "general", public_url="https://robots.example.com", instance_name="Mill")
    asked = [{"username": "ada"}, {"username": "bob"}, {"email": "ADA@example.com"},
             {"username": "nobody"}, {"email": "x\r\nBcc: eve@example.com"}, {}]  # fmt: skip
    answers = [await api.post("/api/auth/forgot", **who) for who in asked]
    assert {(a.status, str(a.body)) for a in answers} == {(202, "{'status': 'ok'}")}
    await server[MAILER].finish()
    assert (await login(api, "ada")).status == 200  # nothing has changed by itself
    assert len(postbox.mails) == 2
    for text in postbox.mails:
        assert "To: ada@example.com" in text
        assert "https://robots.example.com/api/auth/reset" in text
        assert "Subject: Mill" in text
    tokens = [re.search(r"rw_rst_\w+", text)[0] for text in postbox.mails]
    await api.post("/api/auth/reset", 422, token=tokens[0], new_password=NEW)
    await api.post("/api/auth/reset", 204, token=tokens[1], new_password=NEW)
    assert (await login(api, "ada", NEW)).status == 200
    assert tokens[1] not in str(await admin.get("/api/audit"))


async def test_the_mail_server_is_signed_in_to_and_never_in_the_clear_unless_told(
    admin, api, server, postbox, monkeypatch
):
    monkeypatch.setattr(mail, "PAUSES_SECONDS", ())
    await make_user(admin, "ada", email="ada@example.com")
    address = {"host": "127.0.0.1", "port": postbox.port, "from_address": "rw@example.com"}
    await settings(admin, "email", enabled=True, username="rw", password="secret", **address)
    for tls, sent in (("starttls", 0), ("tls", 0), ("none", 1)):  # it offers no encryption
        await settings(admin, "email", tls=tls, password="secret")
        await api.post("/api/auth/forgot", 202, username="ada")
        await server[MAILER].finish()
        assert len(postbox.mails) == len(postbox.signed_in) == sent
        server[THROTTLE]._mails.clear()
    assert postbox.signed_in == ["\0rw\0secret"]


async def test_a_mail_that_cannot_be_written_stops_no_other(
    admin, api, server, postbox, monkeypatch
):
    monkeypatch.setattr(mail, "PAUSES_SECONDS", ())
    await make_user(admin, "ada", email="ada@example.com")
    address = {"host": "127.0.0.1", "port": postbox.port, "tls": "none"}
    await settings(admin, "email", enabled=True, from_address="rw@example.com", **address)

    async def broken():
        raise ValueError("a header cannot have a line end")

    server[MAILER].later(broken)
    await api.post("/api/auth/forgot", 202, username="ada")
    await server[MAILER].finish()
    assert len(postbox.mails) == 1


async def test_nobody_is_buried_in_mail_and_a_program_gets_none(admin, api, server, postbox):
    await make_user(admin, "ada", email="ada@example.com")
    bot = {"username": "bot", "kind": "service", "email": "bot@example.com"}
    await admin.post("/api/access/users", 201, **bot)
    address = {"host": "127.0.0.1", "port": postbox.port, "tls": "none"}
    await settings(admin, "email", enabled=True, from_address="rw@example.com", **address)
    for name in ["ada"] * 5 + ["bot"]:
        await api.post("/api/auth/forgot", 202, username=name)
    await server[MAILER].finish()
    assert len(postbox.mails) == throttle.MAILS_PER_HOUR


async def test_no_mail_is_sent_while_email_is_off(admin, api, server, postbox):
    await make_user(admin, "ada", email="ada@example.com")
    await settings(admin, "email", host="127.0.0.1", port=postbox.port, tls="none")
    await api.post("/api/auth/forgot", 202, username="ada")
    await server[MAILER].finish()
    assert postbox.mails == []


async def test_guessing_locks_the_guesser_out_and_nobody_else(admin, api, server, clock):
    await settings(admin, "security", max_failed_logins=3, lockout_minutes=10)
    for _ in range(3):
        assert (await login(api, password="a wrong password")).status == 401
    locked, unknown = await login(api), await login(api, "nobody")
    assert locked.status == unknown.status == 401
    assert locked.body["detail"] == unknown.body["detail"]
    assert server[THROTTLE].is_locked("admin", "127.0.0.1")
    assert not server[THROTTLE].is_locked("admin", "10.0.0.9")
    assert (await admin.ask("GET", "/api/auth/me")).status == 200
    clock.advance(minutes=10, seconds=1)
    assert (await login(api)).status == 200


async def test_an_address_that_is_often_wrong_is_told_to_wait(api, clock):
    statuses = [(await login(api, f"user{n}", "wrong password")).status for n in range(22)]
    assert statuses == [401] * 20 + [429] * 2
    answer = await login(api)
    assert (answer.status, answer.headers["Retry-After"]) == (429, "60")
    assert (await api.post("/api/auth/forgot", username="x")).status == 202
    clock.advance(minutes=1, seconds=1)
    assert (await login(api)).status == 200


def test_a_known_address_goes_on_while_the_account_is_guessed_at(clock):
    made, security = throttle.Throttle(clock), SecuritySettings()
    made.succeeded("ada", "home")
    for n in range(throttle.FAILURES_PER_HOUR):
        made.failed("ada", f"10.0.0.{n}", security)
    assert made.is_locked("ada", "somewhere")
    assert not made.is_locked("ada", "home")
    clock.advance(hours=1, seconds=1)
    assert not made.is_locked("ada", "somewhere")


def test_an_owner_who_mistypes_at_home_shuts_nobody_out(clock):
    made = throttle.Throttle(clock)
    made.succeeded("ada", "home")
    for _ in range(3 * throttle.FAILURES_PER_HOUR):
        made.failed("ada", "home", SecuritySettings())
    assert not made.is_locked("ada", "office")


def test_a_lock_lasts_as_long_as_is_set_from_the_last_failure_and_no_longer(clock):
    made, security = throttle.Throttle(clock), SecuritySettings()  # 5 failures, 15 minutes
    made.failed("ada", "x", security)
    clock.advance(minutes=14)
    for _ in range(4):
        made.failed("ada", "x", security)
    clock.advance(minutes=14, seconds=59)
    assert made.is_locked("ada", "x")  # also when the first failure is long ago
    made.failed("ada", "x", security)  # and trying meanwhile makes it no longer
    clock.advance(seconds=1)
    assert not made.is_locked("ada", "x")


def test_the_throttle_forgets_the_oldest_before_it_grows(clock):
    made, once = throttle.Throttle(clock), SecuritySettings(max_failed_logins=1)
    for n in range(throttle.ENTRIES + 10):
        made.failed(f"user{n}", "x", once)
        made.succeeded(f"user{n}", "y")
        made.charge("forgot", f"address {n}")
        made.may_mail(n)
    of_strangers = made._of_strangers
    tables = (of_strangers.locked, made._strangers, made._known, made._charged["forgot"])
    assert {len(table) for table in (*tables, made._mails)} == {throttle.ENTRIES}
    for n in range(throttle.KNOWN_ADDRESSES + 10):
        made.succeeded("ada", f"address {n}")
    assert len(made._known["ada"]) == throttle.KNOWN_ADDRESSES


@pytest.mark.parametrize(
    ("first", "second", "is_one"),
    [
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8:0:1::1", "2001:db8:0:1:ffff::1", True),
        ("fe80::1%eth0", "fe80::2%eth1", True),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
        ("::ffff:10.0.0.1", "10.0.0.1", True),
        ("::ffff:10.0.0.1", "::ffff:10.0.0.2", False),
        ("10.0.0.1", "10.0.0.2", False),
    ],
)
def test_a_network_of_ipv6_counts_as_one_client(clock, first, second, is_one):
    made, once = throttle.Throttle(clock), SecuritySettings(max_failed_logins=1)
    made.failed("ada", first, once)
    assert made.is_locked("ada", second) == is_one
    made.succeeded("bob", first)
    for n in range(throttle.FAILURES_PER_HOUR):
        made.failed("bob", f"10.9.9.{n}", once)
    assert made.is_locked("bob", second) != is_one
    for _ in range(throttle.OTHERS_PER_MINUTE):
        made.charge("register", first)
    if is_one:
        with pytest.raises(TooMany):
            made.charge("register", second)
    else:
        made.charge("register", second)


def test_what_fills_one_table_costs_nothing_in_another(clock, monkeypatch):
    monkeypatch.setattr(throttle, "ENTRIES", 50)
    made, security = throttle.Throttle(clock), SecuritySettings()
    made.succeeded("ada", "home")
    for _ in range(security.max_failed_logins):
        made.failed("ada", "home", security)
    for n in range(throttle.FAILURES_PER_HOUR + 4):
        made.failed("ada", f"10.0.0.{n}", security)  # more addresses than the table has
    for n in range(100):
        made.charge("forgot", f"10.1.0.{n}")
        made.charge(throttle.SIGN_INS, f"10.1.0.{n}")
        made.charge(throttle.MACHINE_KEYS, f"10.1.0.{n}")
        made.may_mail(n)
        made.succeeded("eve", f"10.1.0.{n}")
    assert made.is_locked("ada", "home")  # where it was guessed at; and its owner
    clock.advance(minutes=16)
    assert not made.is_locked("ada", "home")
    assert made.is_locked("ada", "elsewhere")


async def test_made_up_names_cost_nobody_else_anything(admin, api, server, postbox, monkeypatch):
    monkeypatch.setattr(throttle, "ENTRIES", 20)
    await make_user(admin, "ada", email="ada@example.com")
    address = {"host": "127.0.0.1", "port": postbox.port, "tls": "none"}
    await settings(admin, "email", enabled=True, from_address="rw@example.com", **address)
    security, now = SecuritySettings(), server[THROTTLE]
    for n in range(throttle.FAILURES_PER_HOUR + 4):
        now.failed("ada", f"10.0.0.{n}", security)
    for _ in range(throttle.MAILS_PER_HOUR):
        await api.post("/api/auth/forgot", 202, email="ADA@example.com")
    queued = []
    monkeypatch.setattr(server[MAILER], "later", queued.append)
    for n in range(60):  # each from another address
        now._charged.clear()
        assert (await login(api, f"made-up-{n}", "wrong password")).status == 401
        await api.post("/api/auth/forgot", 202, username=f"made-up-{n}")
        await api.post("/api/auth/forgot", 202, email=f"made-up-{n}@example.com")
    await api.post("/api/auth/forgot", 202, username="ada")
    assert queued == []  # nothing of it waits in the line of mails
    await server[MAILER].finish()
    assert len(postbox.mails) == throttle.MAILS_PER_HOUR
    assert (await login(api, "ada", ADMIN_PASSWORD)).status == 401  # the limit an hour holds
    assert "made-up" not in repr([vars(now), vars(now._of_strangers)])


async def test_of_many_guesses_at_once_each_counts_for_the_ones_behind_it(admin, api, clock):
    guesses = ["a wrong password"] * 19 + [ADMIN_PASSWORD]
    answers = await asyncio.gather(*[login(api, password=guess) for guess in guesses])
    assert {answer.status for answer in answers[:19]} == {401}
    more = await asyncio.gather(*[login(api, password="a wrong password") for _ in range(10)])
    assert [answer.status for answer in more].count(429) >= 9  # charged before the hash
    clock.advance(minutes=16)
    for _ in range(30):
        assert (await login(api)).status == 200  # what is right does not count


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("forgot", {"username": "x"}),
        ("reset", {"token": "x", "new_password": NEW}),
        ("register", {"username": "x", "password": "short"}),
    ],
)
async def test_what_strangers_may_ask_has_a_limit_of_its_own(admin, api, path, body):
    await settings(admin, "security", registration_enabled=True)
    answers = [await api.post(f"/api/auth/{path}", **body) for _ in range(11)]
    assert [answer.status == 429 for answer in answers] == [False] * 10 + [True]
    assert answers[-1].headers["Retry-After"] == "60"
    assert (await login(api)).status == 200


async def test_the_first_administrator_sets_a_password_with_a_token(config, clock, monkeypatch):
    import msgspec

    from orchestrator_server import app as server_app
    from tests.conftest import fast_passwords

    monkeypatch.setattr(server_app, "Passwords", fast_passwords)
    without = msgspec.structs.replace(config, admin_password=None)
    async with serving(server_app.create_app(without, clock)) as server:
        old = server[SETUP_TOKEN]
    async with (
        serving(server_app.create_app(without, clock)) as server,
        api_at(server["url"]) as api,
    ):
        token = server[SETUP_TOKEN]
        await api.post("/api/auth/reset", 422, token=old, new_password=NEW)
        await api.post("/api/auth/reset", 204, token=token, new_password=NEW)
        assert (await (await api.sign_in("admin", NEW)).get("/api/auth/me"))["user"]["is_admin"]
    async with serving(server_app.create_app(without, clock)) as server:
        assert server[SETUP_TOKEN] is None


async def test_a_password_given_later_goes_to_the_first_administrator(config, clock, monkeypatch):
    import msgspec

    from orchestrator_server import app as server_app
    from tests.conftest import fast_passwords

    monkeypatch.setattr(server_app, "Passwords", fast_passwords)
    without = msgspec.structs.replace(config, admin_password=None)
    async with serving(server_app.create_app(without, clock)) as server:
        token = server[SETUP_TOKEN]
    async with (
        serving(server_app.create_app(config, clock)) as server,
        api_at(server["url"]) as api,
    ):
        await api.sign_in()
        await api.post("/api/auth/reset", 422, token=token, new_password=NEW)


async def test_a_reset_token_that_two_use_at_once_works_for_one(admin, api):
    user = await make_user(admin, "ada")
    made = await admin.post(f"/api/access/users/{user['id']}/reset", 201)
    answers = await asyncio.gather(
        *[
            api.post("/api/auth/reset", token=made["token"], new_password=f"{NEW} {n}")
            for n in range(6)
        ]
    )
    assert sorted(answer.status for answer in answers) == [204] + [422] * 5


async def test_a_password_that_was_changed_while_it_was_checked_signs_nobody_in(admin, server):
    user = await make_user(admin, "ada")
    database = server[DATABASE]
    known = await database.read(service.find, "ada")
    made = await admin.post(f"/api/access/users/{user['id']}/reset", 201)
    await database.write(resets.reset, SYSTEM, made["token"], "v2$another")
    with pytest.raises(Unauthenticated):
        await database.write(service.sign_in, SYSTEM, known, 5)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a thread has no priority")
async def test_sign_ins_stand_back_behind_the_rest():
    keeper = passwords.Passwords(b"pepper", cost=4)
    try:
        await keeper.hash(NEW)
        [thread] = [one for one in threading.enumerate() if one.name.startswith("passwords")]
        nice = os.getpriority(os.PRIO_PROCESS, thread.native_id)
        assert nice == max(passwords.NICE, os.getpriority(os.PRIO_PROCESS, 0))
    finally:
        keeper.close()
