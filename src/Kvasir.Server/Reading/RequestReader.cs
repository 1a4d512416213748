using Kvasir.Server.Answers;
using Kvasir.Server.Errors;
using Kvasir.Server.Hosting;
using Kvasir.Text;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Options;

namespace Kvasir.Server.Reading;

/// <summary>Reads a request's body and finds the model that it names. What nobody asked for is named in the answer's header.</summary>
internal sealed class RequestReader(ServedModels models, PromptEncoder encoder, IOptions<KvasirOptions> options)
{
    private const string TemplateField = "chat_template";
    private const int MostTemplateBytes = 64 << 10;

    /// <summary>Those that requests may name.</summary>
    public ServedModels Models => models;

    /// <param name="read">Makes what is wanted of the body, which is gone afterwards.</param>
    /// <param name="alias">As in <see cref="OpenAsync"/>.</param>
    /// <exception cref="RequestException">The body is no JSON object, there is no such model, or <paramref name="read"/> refuses.</exception>
    public async Task<T> ReadAsync<T>(HttpContext context, Func<RequestFields, ServedModel, T> read, string? alias = null)
    {
        using var arrived = await OpenAsync(context, alias).ConfigureAwait(false);
        var served = await models.ServeAsync(arrived.Known, context.RequestAborted).ConfigureAwait(false);
        var model = await UnderTemplateAsync(context, arrived.Fields, served).ConfigureAwait(false);
        var request = read(arrived.Fields, model);
        arrived.EndReading(context);
        return request;
    }

    /// <summary>The model under the template that the request brings along, where it may bring one; else as it is.</summary>
    /// <exception cref="RequestException">It may not, or the template has an error.</exception>
    public async Task<ServedModel> UnderTemplateAsync(HttpContext context, RequestFields fields, ServedModel model)
    {
        // Clients that write every field write an empty text for none.
        if (fields.Find("template") is { } other && !(other.IsText && other.Text().Length == 0))
            throw other.Unsupported($"{other.Path}: templates come from the model's files");
        if (fields.Find(TemplateField) is not { } given)
            return model;
        if (!options.Value.AllowsRequestTemplates)
            throw given.Unsupported($"{given.Path}: templates come from the model's files; with --allow-request-template a server takes them from requests");
        var source = given.ShortText(MostTemplateBytes);
        // How it writes calls and thoughts is found by rendering it.
        return await encoder.RunAsync(() => model.Under(ChatTemplate.Parse(source, TemplateField)), context.RequestAborted).ConfigureAwait(false);
    }

    /// <summary>Reads the body, and no more of it than which model it names.</summary>
    /// <param name="alias">An older name of the field that names it.</param>
    /// <exception cref="RequestException">The body is no JSON object, or there is no such model.</exception>
    public async Task<ArrivedRequest> OpenAsync(HttpContext context, string? alias = null)
    {
        var ignored = new IgnoredFields(options.Value.Strict);
        var body = await RequestBody.ReadAsync(context.Request, options.Value.MaxBodyBytes, ignored).ConfigureAwait(false);
        try
        {
            var fields = body.Root.Object();
            var name = fields.Find("model")?.Text();
            if (string.IsNullOrEmpty(name) && alias is not null)
                name = fields.Find(alias)?.Text();
            return new ArrivedRequest(body, fields, models.Keep(context, name));
        }
        catch
        {
            body.Dispose();
            throw;
        }
    }
}
