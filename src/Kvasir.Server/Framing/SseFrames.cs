using System.Buffers;
using System.Text;
using Microsoft.AspNetCore.Http;

namespace Kvasir.Server.Framing;

/// <summary>Server-sent events: <c>[event: NAME LF] data: JSON LF LF</c>. Comments keep a stream alive.</summary>
internal sealed class SseFrames(HttpContext context, FrameTimes times) : FrameWriter(context, times)
{
    protected override string ContentType => "text/event-stream";

    public override async Task StartAsync()
    {
        if (HasStarted)
            return;
        await base.StartAsync().ConfigureAwait(false);
        await KeepAliveAsync("kvasir").ConfigureAwait(false);
    }

    public override Task KeepAliveAsync(string note) => SendBytesAsync(Encoding.ASCII.GetBytes($": {note}\n\n"));

    /// <summary>The frame behind the last of an answer, in dialects that have one.</summary>
    public Task SendDoneAsync() => SendBytesAsync("data: [DONE]\n\n"u8.ToArray());

    protected override void WriteHead(string? name)
    {
        if (name is not null)
        {
            Frame.Write("event: "u8);
            Encoding.ASCII.GetBytes(name, Frame);
            Frame.Write("\n"u8);
        }

        Frame.Write("data: "u8);
    }

    protected override void WriteEnd() => Frame.Write("\n\n"u8);
}
