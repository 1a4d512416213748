using System.Buffers;
using Microsoft.AspNetCore.Http;

namespace Kvasir.Server.Framing;

/// <summary>A JSON value to a line. A blank before the next value keeps a stream alive: white space of JSON, where an empty line would be no value.</summary>
internal sealed class NdjsonFrames(HttpContext context, FrameTimes times) : FrameWriter(context, times)
{
    protected override string ContentType => "application/x-ndjson";

    public override Task KeepAliveAsync(string note) => SendBytesAsync(" "u8.ToArray());

    protected override void WriteHead(string? name)
    {
    }

    protected override void WriteEnd() => Frame.Write("\n"u8);
}
