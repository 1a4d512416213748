using Kvasir.Server.Answers;
using Kvasir.Server.Framing;
using Kvasir.Server.Reading;
using Kvasir.Server.Routes;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Options;

namespace Kvasir.Server.Anthropic;

/// <summary>Anthropic's routes: messages, and how long their prompt is.</summary>
internal sealed class AnthropicRoutes(AnswerPath path, RequestReader reader, PromptEncoder encoder, IOptions<KvasirOptions> options) : IDialectRoutes
{
    private readonly MessagesRoute _messages = new(options);

    public void Map(RouteTable routes)
    {
        routes.Answer(path, _messages, "/v1/messages");
        routes.Post(AnthropicErrors.Shape, CountAsync, "/v1/messages/count_tokens");
    }

    private async Task CountAsync(HttpContext context)
    {
        var (model, prompt) = await reader.ReadAsync(context, (body, model) => (model, _messages.Prompt(body, model))).ConfigureAwait(false);
        var count = (await encoder.EncodeAsync(prompt, model, AnthropicErrors.Shape, context.RequestAborted).ConfigureAwait(false)).Length;
        await WholeBody.SendAsync(context, json =>
        {
            json.WriteStartObject();
            json.WriteNumber("input_tokens", count);
            json.WriteEndObject();
        }).ConfigureAwait(false);
    }
}
