using Kvasir.Server.Hosting;
using Microsoft.AspNetCore.Http;

namespace Kvasir.Server.Reading;

/// <summary>A request's body, and the model that it names, which stays for it until it has ended.</summary>
/// <param name="fields">Good until this is disposed of.</param>
internal sealed class ArrivedRequest(RequestBody body, RequestFields fields, KnownModel known) : IDisposable
{
    public RequestFields Fields => fields;

    /// <summary>In memory or not.</summary>
    public KnownModel Known => known;

    /// <summary>All that is honoured was read: what nobody asked for is named in the answer's header, as long as there is one to write.</summary>
    /// <exception cref="Errors.RequestException">Nothing may be ignored.</exception>
    public void EndReading(HttpContext context)
    {
        fields.IgnoreRest();
        if (fields.Ignored.ToString() is { Length: > 0 } paths && !context.Response.HasStarted)
            context.Response.Headers["x-kvasir-ignored"] = paths;
    }

    public void Dispose() => body.Dispose();
}
