using System.Buffers;
using System.Text.Json;
using Microsoft.AspNetCore.Http;

namespace Kvasir.Server.Framing;

/// <summary>A JSON body that is sent at once, with its length.</summary>
internal static class WholeBody
{
    public const string ContentType = "application/json";

    /// <summary>Sends a blank, which JSON allows before a body; the status has gone out with the first of them.</summary>
    public static async Task KeepAliveAsync(HttpContext context)
    {
        if (!context.Response.HasStarted)
            context.Response.ContentType = ContentType;
        await context.Response.BodyWriter.WriteAsync(" "u8.ToArray(), context.RequestAborted).ConfigureAwait(false);
    }

    public static async Task SendAsync(HttpContext context, Action<Utf8JsonWriter> write)
    {
        var body = new ArrayBufferWriter<byte>(1024);
        using (var json = new Utf8JsonWriter(body, FrameWriter.Style))
            write(json);
        if (!context.Response.HasStarted)
        {
            context.Response.ContentType = ContentType;
            context.Response.ContentLength = body.WrittenCount;
        }

        await context.Response.BodyWriter.WriteAsync(body.WrittenMemory, context.RequestAborted).ConfigureAwait(false);
    }
}
