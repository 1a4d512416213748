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
        using var arrived = await OpenAsync(context).ConfigureAwait(false);
        var model = await models.ServeAsync(arrived.Known, context.RequestAborted).ConfigureAwait(false);
        var request = read(arrived.Fields, model);
        arrived.EndReading(context);
        return request;
    }

    /// <summary>Reads the body, and no more of it than which model it names.</summary>
    /// <exception cref="RequestException">The body is no JSON object, or there is no such model.</exception>
    public async Task<ArrivedRequest> OpenAsync(HttpContext context)
    {
        var ignored = new IgnoredFields(options.Value.Strict);
        var body = await RequestBody.ReadAsync(context.Request, options.Value.MaxBodyBytes, ignored).ConfigureAwait(false);
        try
        {
            var fields = body.Root.Object();
            return new ArrivedRequest(body, fields, models.Keep(context, fields.Find("model")?.Text()));
        }
        catch
        {
            body.Dispose();
            throw;
        }
    }
}
