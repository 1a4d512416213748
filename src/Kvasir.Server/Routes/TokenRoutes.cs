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
        var (model, work, pieces, counts) = await reader.ReadAsync(context, static (body, model) =>
        {
            var isOwn = body.Find("content") is not null;
            return (model, isOwn ? Content(body, model) : Prompt(body, model), body.Find("with_pieces")?.Flag() ?? false, !isOwn);
        }).ConfigureAwait(false);
        var tokens = await encoder.RunAsync(work, context.RequestAborted).ConfigureAwait(false);
        await WholeBody.SendAsync(context, json =>
        {
            json.WriteStartObject();
            if (counts)
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
        var (text, count) = await encoder.RunAsync(() => (prompt.Render(model), prompt.Encode(model)[0].Length), context.RequestAborted).ConfigureAwait(false);
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
        var count = await encoder.RunAsync(() => prompt.Encode(model)[0].Length, context.RequestAborted).ConfigureAwait(false);
        await WholeBody.SendAsync(context, json =>
        {
            json.WriteStartObject();
            json.WriteString("object", "response.input_tokens");
            json.WriteNumber("input_tokens", count);
            json.WriteEndObject();
        }).ConfigureAwait(false);
    }

    private static Func<int[]> Content(RequestFields body, ServedModel model)
    {
        var text = body.Require("content").Text();
        var (begins, parses) = (body.Find("add_special")?.Flag() ?? false, body.Find("parse_special")?.Flag() ?? true);
        return () => model.Model.Tokenizer.Encode(text, begins, parses);
    }

    /// <summary>What makes the tokens of a body's messages or prompt.</summary>
    public static Func<int[]> Prompt(RequestFields body, ServedModel model)
    {
        if (body.Find("messages") is not null)
        {
            var conversation = ChatRoute.Prompt(body, model);
            return () => conversation.Encode(model)[0];
        }

        if (body.Find("prompt")?.Text() is not { } text)
            throw new RequestException(ErrorKind.InvalidValue, "neither prompt nor messages is there, nor content where text is enough", "prompt");
        var begins = body.Find("add_special_tokens")?.Flag() ?? true;
        return () => model.Model.Tokenizer.Encode(text, begins, parseSpecial: true);
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
