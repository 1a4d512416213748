using System.Buffers;
using System.IO.Pipelines;
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
        var body = Make(context, write);
        await context.Response.BodyWriter.WriteAsync(body, context.RequestAborted).ConfigureAwait(false);
    }

    /// <summary>Sends it behind the headers by another way than the response's own, which a request that was never handled has not.</summary>
    public static async Task SendAsync(HttpContext context, PipeWriter connection, Action<Utf8JsonWriter> write)
    {
        var body = Make(context, write);
        await context.Response.StartAsync(context.RequestAborted).ConfigureAwait(false);
        if (!HttpMethods.IsHead(context.Request.Method))
            await connection.WriteAsync(body, context.RequestAborted).ConfigureAwait(false);
    }

    private static ReadOnlyMemory<byte> Make(HttpContext context, Action<Utf8JsonWriter> write)
    {
        var body = new ArrayBufferWriter<byte>(1024);
        using (var json = new Utf8JsonWriter(body, FrameWriter.Style))
            write(json);
        if (!context.Response.HasStarted)
        {
            context.Response.ContentType = ContentType;
            context.Response.ContentLength = body.WrittenCount;
        }

        return body.WrittenMemory;
    }
}
