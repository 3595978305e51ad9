"""Files: the external upload in three steps, files.info, and the address where files lie; reference 2.6."""

from typing import cast

from aiohttp import web

from tests.fakes.slack.deliver import Delivering
from tests.fakes.slack.facts import Call, Json, SlackError
from tests.fakes.slack.messages import check_thread, own_message, place
from tests.fakes.slack.records import Upload

_LOGIN_PAGE = b"<!DOCTYPE html><html><body>Sign in to Slack</body></html>"


def get_upload_url(slack: Delivering, call: Call) -> Json:
    """files.getUploadURLExternal: the name and the exact length are said beforehand."""
    name, length = str(call.args["filename"]), int(call.args["length"])
    if not name or length <= 0:
        raise SlackError("invalid_arguments")
    upload = Upload(f"F{next(slack.numbers)}", name, length, call.installation.key)
    slack.files[upload.id] = upload
    return {"upload_url": f"http://{slack.host}:{slack.port}/upload/{upload.id}", "file_id": upload.id}


def complete_upload(slack: Delivering, call: Call) -> Json:
    """files.completeUploadExternal: shares what was uploaded into a channel or thread."""
    args, channel = call.args, str(call.args.get("channel_id") or "")
    named = [(slack.files.get(str(one.get("id"))), one) for one in cast(list[Json], args["files"])]
    shared: list[Upload] = []
    for upload, one in named:
        if not upload or upload.data is None or upload.app != call.installation.key:
            raise SlackError("file_not_found")
        upload.title = str(one.get("title") or upload.name)
        shared.append(upload)
    if channel:
        place(slack, call)
        if args.get("thread_ts"):
            check_thread(slack, channel, str(args["thread_ts"]))
        _share(slack, call, channel, shared)
    slack.uploads += shared
    return {"files": [{"id": one.id, "title": one.title} for one in shared]}


def delete(slack: Delivering, call: Call) -> Json:
    """files.delete of the app's own file: the message that shared it stays, with a tombstone."""
    upload = slack.files.get(str(call.args["file"]))
    if not upload:
        raise SlackError("file_not_found")
    if upload.app != call.installation.key:
        raise SlackError("cant_delete_file")
    del slack.files[upload.id]
    if upload in slack.uploads:
        slack.uploads.remove(upload)
    for message in slack.channels[upload.channel].values() if upload.channel else ():
        if any(one["id"] == upload.id for one in message.get("files", [])):
            message["files"] = [{"id": upload.id, "mode": "tombstone"}]
    return {}


def info(slack: Delivering, call: Call) -> Json:
    """files.info."""
    upload = slack.files.get(str(call.args["file"]))
    if not upload:
        raise SlackError("file_not_found")
    return {"file": described(slack, upload)}


def described(slack: Delivering, upload: Upload) -> Json:
    """A file as messages and files.info show it."""
    url = f"http://{slack.host}:{slack.port}/files/{upload.id}/{upload.name}"
    return {
        "id": upload.id,
        "name": upload.name,
        "title": upload.title or upload.name,
        "mimetype": upload.mimetype,
        "size": upload.length,
        "mode": "hosted",
        "url_private": url,
        "url_private_download": url,
    }


def routes(slack: Delivering) -> list[web.RouteDef]:
    """Where files are sent to and fetched from."""

    async def take(request: web.Request) -> web.Response:
        upload = slack.files.get(request.match_info["id"])
        fault = slack.scripted["upload"].popleft() if slack.scripted.get("upload") else ""
        if not upload or fault:
            return web.Response(status=500 if fault else 404)
        data = await request.read()
        if len(data) != upload.length:
            return web.Response(status=400, text="wrong length")
        upload.data = data
        return web.Response(text=f"OK - {len(data)}")

    async def give(request: web.Request) -> web.Response:
        """The bytes; without files:read a sign-in page with status 200 (2.6)."""
        token = slack.tokens.get(request.headers.get("Authorization", "").removeprefix("Bearer "))
        upload = slack.files.get(request.match_info["id"])
        if not upload or upload.data is None:
            return web.Response(status=404)
        if not token or token.dead or "files:read" not in token.installation.scopes:
            return web.Response(body=_LOGIN_PAGE, content_type="text/html")
        return web.Response(body=upload.data, content_type=upload.mimetype)

    return [web.post("/upload/{id}", take), web.get("/files/{id}/{name}", give)]


def _share(slack: Delivering, call: Call, channel: str, shared: list[Upload]) -> None:
    message = own_message(slack, call.installation, channel)
    comment = str(call.args.get("initial_comment") or "")
    message |= {"subtype": "file_share", "text": comment, "markdown_text": comment, "upload": True}
    message["files"] = [described(slack, upload) for upload in shared]
    if call.args.get("thread_ts"):
        message["thread_ts"] = str(call.args["thread_ts"])
    for upload in shared:
        upload.channel, upload.thread_ts = channel, message.get("thread_ts")
    slack.channels[channel][str(message["ts"])] = message
    slack.echo(channel, message)
