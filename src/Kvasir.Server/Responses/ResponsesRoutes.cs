using Kvasir.Server.Answers;
using Kvasir.Server.Framing;
using Kvasir.Server.OpenAi;
using Kvasir.Server.Reading;
using Kvasir.Server.Routes;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Options;

namespace Kvasir.Server.Responses;

/// <summary>The newer of OpenAI's two ways to ask: responses, and how long their prompt is.</summary>
internal sealed class ResponsesRoutes(AnswerPath path, RequestReader reader, PromptEncoder encoder, IOptions<KvasirOptions> options) : IDialectRoutes
{
    public void Map(RouteTable routes)
    {
        routes.Answer(path, new ResponsesRoute(options), "/v1/responses", "/responses");
        routes.Post(OpenAiErrors.Shape, CountAsync, "/v1/responses/input_tokens", "/responses/input_tokens");
    }

    private async Task CountAsync(HttpContext context)
    {
        var (model, prompt) = await reader.ReadAsync(context, static (body, model) => (model, ResponsesRoute.Prompt(body, model))).ConfigureAwait(false);
        var count = (await encoder.EncodeAsync(prompt, model, OpenAiErrors.Shape, context.RequestAborted).ConfigureAwait(false)).Length;
        await WholeBody.SendAsync(context, json =>
        {
            json.WriteStartObject();
            json.WriteString("object", "response.input_tokens");
            json.WriteNumber("input_tokens", count);
            json.WriteEndObject();
        }).ConfigureAwait(false);
    }
}
