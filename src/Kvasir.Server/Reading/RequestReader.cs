using Kvasir.Server.Errors;
using Kvasir.Server.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Options;

namespace Kvasir.Server.Reading;

/// <summary>Reads a request's body and finds the model that it names. What nobody asked for is named in the answer's header.</summary>
internal sealed class RequestReader(ServedModels models, IOptions<KvasirOptions> options)
{
    /// <param name="read">Makes what is wanted of the body, which is gone afterwards.</param>
    /// <exception cref="RequestException">The body is no JSON object, there is no such model, or <paramref name="read"/> refuses.</exception>
    public async Task<T> ReadAsync<T>(HttpContext context, Func<RequestFields, ServedModel, T> read)
    {
        var ignored = new IgnoredFields(options.Value.Strict);
        using var body = await RequestBody.ReadAsync(context.Request, options.Value.MaxBodyBytes, ignored).ConfigureAwait(false);
        var fields = body.Root.Object();
        var model = await models.FindAsync(context, fields.Find("model")?.Text()).ConfigureAwait(false);
        var request = read(fields, model);
        fields.IgnoreRest();
        if (ignored.ToString() is { Length: > 0 } paths)
            context.Response.Headers["x-kvasir-ignored"] = paths;
        return request;
    }
}
