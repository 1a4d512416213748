using System.Text;
using System.Text.Json;
using System.Text.Unicode;
using Kvasir.Server.Answers;
using Kvasir.Server.Errors;
using Kvasir.Server.Framing;
using Kvasir.Server.Hosting;
using Kvasir.Server.OpenAi;
using Kvasir.Server.Reading;
using Microsoft.AspNetCore.Http;

namespace Kvasir.Server.Routes;

/// <summary>Text and tokens without an answer: what a prompt is made of, and how long it is.</summary>
internal sealed class TokenRoutes(RequestReader reader, PromptEncoder encoder)
{
    /// <summary>Tokens of content, as llama-server has it; or of a prompt or messages, as vLLM has it.</summary>
    public async Task TokenizeAsync(HttpContext context)
    {
        var (model, prompt, text, pieces) = await reader.ReadAsync(context, static (body, model) =>
        {
            var isText = body.Find("content") is not null;
            var pieces = body.Find("with_pieces")?.Flag() ?? false;
            return (model, isText ? null : Prompt(body, model), isText ? Content(body) : null, pieces);
        }).ConfigureAwait(false);
        // A text that is no prompt may have more tokens than the context.
        var tokens = prompt is null ? await encoder.RunAsync(() => text!.Encode(model)[0], context.RequestAborted).ConfigureAwait(false)
            : await encoder.EncodeAsync(prompt, model, OpenAiErrors.Shape, context.RequestAborted).ConfigureAwait(false);
        await WholeBody.SendAsync(context, json =>
        {
            json.WriteStartObject();
            if (prompt is not null)
            {
                json.WriteNumber("count", tokens.Length);
                json.WriteNumber("max_model_len", model.Engine.ContextTokens);
            }

            json.WriteStartArray("tokens");
            foreach (var token in tokens)
                WriteToken(json, model, token, pieces);
            json.WriteEndArray();
            json.WriteEndObject();
        }).ConfigureAwait(false);
    }

    public async Task DetokenizeAsync(HttpContext context)
    {
        var text = await reader.ReadAsync(context, static (body, model) =>
        {
            var most = model.Model.Config.VocabularySize - 1;
            return model.Model.Tokenizer.Decode([.. body.Require("tokens").Items(int.MaxValue).Select(item => (int)item.Whole(0, most))]);
        }).ConfigureAwait(false);
        await WholeBody.SendAsync(context, json =>
        {
            json.WriteStartObject();
            json.WriteString("content", text);
            json.WriteEndObject();
        }).ConfigureAwait(false);
    }

    /// <summary>A conversation as its prompt, for people to read, with the count of its tokens.</summary>
    public async Task ApplyTemplateAsync(HttpContext context)
    {
        var (model, prompt) = await reader.ReadAsync(context, static (body, model) => (model, ChatRoute.Prompt(body, model))).ConfigureAwait(false);
        var count = (await encoder.EncodeAsync(prompt, model, OpenAiErrors.Shape, context.RequestAborted).ConfigureAwait(false)).Length;
        var text = await encoder.RunAsync(() => prompt.Render(model), context.RequestAborted).ConfigureAwait(false);
        await WholeBody.SendAsync(context, json =>
        {
            json.WriteStartObject();
            json.WriteString("prompt", text);
            json.WriteNumber("tokens", count);
            json.WriteEndObject();
        }).ConfigureAwait(false);
    }

    /// <summary>How many tokens a chat's prompt has.</summary>
    public async Task CountAsync(HttpContext context)
    {
        var (model, prompt) = await reader.ReadAsync(context, static (body, model) => (model, ChatRoute.Prompt(body, model))).ConfigureAwait(false);
        var count = (await encoder.EncodeAsync(prompt, model, OpenAiErrors.Shape, context.RequestAborted).ConfigureAwait(false)).Length;
        await WholeBody.SendAsync(context, json =>
        {
            json.WriteStartObject();
            json.WriteString("object", "response.input_tokens");
            json.WriteNumber("input_tokens", count);
            json.WriteEndObject();
        }).ConfigureAwait(false);
    }

    private static TextPrompts Content(RequestFields body) => new(
        [body.Require("content").Text()], body.Find("parse_special")?.Flag() ?? true, body.Find("add_special")?.Flag() ?? false);

    /// <summary>A body's messages or prompt.</summary>
    public static PromptSource Prompt(RequestFields body, ServedModel model)
    {
        if (body.Find("messages") is not null)
            return ChatRoute.Prompt(body, model);
        if (body.Find("prompt")?.Text() is not { } text)
            throw new RequestException(ErrorKind.InvalidValue, "neither prompt nor messages is there, nor content where text is enough", "prompt");
        return new TextPrompts([text], begins: body.Find("add_special_tokens")?.Flag() ?? true);
    }

    // Bytes that are no characters alone are shown as numbers.
    private static void WriteToken(Utf8JsonWriter json, ServedModel model, int token, bool withPiece)
    {
        if (!withPiece)
        {
            json.WriteNumberValue(token);
            return;
        }

        var tokenizer = model.Model.Tokenizer;
        var bytes = tokenizer.IsControl(token) ? Encoding.UTF8.GetBytes(tokenizer.Piece(token)) : tokenizer.Bytes(token);
        json.WriteStartObject();
        json.WriteNumber("id", token);
        if (Utf8.IsValid(bytes))
        {
            json.WriteString("piece", bytes);
        }
        else
        {
            json.WriteStartArray("piece");
            foreach (var b in bytes)
                json.WriteNumberValue(b);
            json.WriteEndArray();
        }

        json.WriteEndObject();
    }
}
