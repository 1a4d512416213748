using Kvasir.Jinja;
using Kvasir.Jinja.Builtins;
using Kvasir.Jinja.Syntax;
using Kvasir.Jinja.Values;

namespace Kvasir.Text;

/// <summary>
/// Turns a conversation into the text that a model was trained on, by the Jinja template that comes with the model. Parsed once, rendered any number
/// of times, from any number of threads.
/// </summary>
public sealed class ChatTemplate
{
    // The longest published template has 30 thousand characters.
    private const int MaxSourceCharacters = 1 << 20;

    private readonly Statement[] _body;

    private ChatTemplate(string name, string source, Statement[] body)
    {
        (Name, Source) = (name, source);
        _body = body;
    }

    /// <summary>Where the template comes from, for messages.</summary>
    public string Name { get; }

    /// <summary>Its text.</summary>
    public string Source { get; }

    /// <summary>Reads a template.</summary>
    /// <param name="source">The template's text, at most 2^20 characters.</param>
    /// <param name="name">Where it comes from, for messages: a file, or a key in one.</param>
    /// <exception cref="KvasirException">
    /// <see cref="KvasirError.BadTemplate"/>: it has an error, or uses what is not supported; the message names it and its line.
    /// </exception>
    public static ChatTemplate Parse(string source, string name)
    {
        ArgumentNullException.ThrowIfNull(source);
        ArgumentNullException.ThrowIfNull(name);
        if (source.Length > MaxSourceCharacters)
            throw new KvasirException(KvasirError.BadTemplate, $"{name}: {source.Length} characters, above the limit of {MaxSourceCharacters}");
        try
        {
            return new ChatTemplate(name, source, Parser.Parse(source));
        }
        catch (JinjaFailure failure)
        {
            throw Explained(name, failure);
        }
    }

    /// <summary>The template of a model in a Hugging Face style folder; null where the folder has none of that name.</summary>
    /// <param name="folder">The model's folder.</param>
    /// <param name="variant">default, or one of the others that some models bring along, such as tool_use.</param>
    /// <param name="notes">Told of bytes that are no text; null for nobody.</param>
    /// <exception cref="KvasirException">
    /// <see cref="KvasirError.BadFile"/> for a damaged file; <see cref="KvasirError.BadTemplate"/> as in <see cref="Parse"/>.
    /// </exception>
    public static ChatTemplate? FromFolder(string folder, string variant = "default", Notes? notes = null)
    {
        ArgumentNullException.ThrowIfNull(folder);
        ArgumentNullException.ThrowIfNull(variant);
        return ChatTemplateFile.Find(folder, variant, notes ?? new Notes()) is var (source, name) ? Parse(source, name) : null;
    }

    /// <summary>
    /// The text of a conversation, for people to read. <see cref="Model.EncodeChat"/> makes tokens of it, and knows what the template wrote: in this string
    /// a control token that a message spells cannot be told from the template's.
    /// </summary>
    /// <exception cref="KvasirException">
    /// <see cref="KvasirError.BadTemplate"/>: the template refused the conversation (the message is its own), failed, or ran past a limit.
    /// </exception>
    /// <exception cref="ArgumentException">A message is null.</exception>
    public string Render(IReadOnlyList<ChatTurn> messages, ChatTemplateOptions options) => RenderMarked(messages, options);

    /// <summary>The text of a conversation, and which of its characters the template wrote.</summary>
    /// <exception cref="KvasirException">As <see cref="Render"/>.</exception>
    internal MarkedText RenderMarked(IReadOnlyList<ChatTurn> messages, ChatTemplateOptions options)
    {
        ArgumentNullException.ThrowIfNull(messages);
        ArgumentNullException.ThrowIfNull(options);
        for (var i = 0; i < messages.Count; i++)
        {
            if (messages[i] is null)
                throw new ArgumentException($"message {i} of {messages.Count} is null", nameof(messages));
        }

        try
        {
            var variables = new Scope(null);
            Globals.Define(variables, options.Clock);
            var turns = new List<object>(messages.Count);
            foreach (var message in messages)
                turns.Add(ChatValues.Turn(message));
            variables.Set("messages", new JinjaList(ListKind.List, turns));
            variables.Set("add_generation_prompt", options.AddsGenerationPrompt && !options.ContinuesLastMessage);
            variables.Set("tools", ChatValues.Json(options.Tools));
            variables.Set("documents", ChatValues.Json(options.Documents));
            if (options.BeginText is not null)
                variables.Set("bos_token", MarkedText.OfTemplate(options.BeginText));
            if (options.EndText is not null)
                variables.Set("eos_token", MarkedText.OfTemplate(options.EndText));
            foreach (var (name, value) in options.Variables ?? [])
                variables.Set(name, ChatValues.Json(value));
            var text = Renderer.Render(_body, new Scope(variables), new RenderBudget());
            return options.ContinuesLastMessage ? LeftOpen(text, messages) : text;
        }
        catch (JinjaFailure failure)
        {
            throw Explained(Name, failure);
        }
    }

    // What the template puts behind the last message is left out. Templates may cut white space at its ends; what it ends with is where the answer goes on.
    private MarkedText LeftOpen(MarkedText text, IReadOnlyList<ChatTurn> messages)
    {
        var content = messages is [.., { Content: { } last }] ? last.TrimStart() : "";
        var trimmed = content.TrimEnd();
        var start = trimmed.Length == 0 ? -1 : text.Value.LastIndexOf(trimmed, StringComparison.Ordinal);
        if (start < 0)
            throw new KvasirException(KvasirError.BadTemplate, $"{Name}: the last message is not in the rendered text as it is, so it cannot be continued");
        var isWhole = string.CompareOrdinal(text.Value, start, content, 0, content.Length) == 0;
        return text.Slice(0, start + (isWhole ? content.Length : trimmed.Length));
    }

    private static KvasirException Explained(string name, JinjaFailure failure) =>
        new(KvasirError.BadTemplate, failure.Line > 0 ? $"{name}, line {failure.Line}: {failure.Message}" : $"{name}: {failure.Message}", failure);
}
