using Microsoft.AspNetCore.Http;

namespace Kvasir.Server.Security;

/// <summary>Who may use the server, and how: a line of the key file. The key itself is not kept, only its SHA-256.</summary>
/// <param name="Name">Of whoever holds it, for logs and limits; never the key.</param>
/// <param name="Hash">SHA-256 of the key's UTF-8.</param>
internal sealed record AccessKey(string Name, byte[] Hash)
{
    /// <summary>The models that it may name; null for all.</summary>
    public IReadOnlySet<string>? Models { get; init; }

    /// <summary>The least priority number that its requests may ask for, and have if they ask for none.</summary>
    public int Priority { get; init; }

    /// <summary>The most of its sequences that compute side by side; null for as many as any key's may.</summary>
    public int? Running { get; init; }

    /// <summary>Whose prompts it shares what is computed with.</summary>
    public string Tenant { get; init; } = Name;

    /// <summary>Whether it may say what stays in memory for all.</summary>
    public bool IsAdmin { get; init; }

    public bool MayUse(string model) => Models is null || Models.Contains(model);

    /// <summary>Of the request; null where the server has no keys, or the route needs none.</summary>
    public static AccessKey? Of(HttpContext context) => context.Items[typeof(AccessKey)] as AccessKey;

    /// <summary>Options of a request of this key: its turn, its priority at best, how many may compute beside it, and whose rows it finds.</summary>
    /// <param name="askedPriority">What the request asks for; null for nothing.</param>
    public GenerationOptions Own(GenerationOptions options, int? askedPriority) =>
        options with { Client = Name, Priority = Math.Max(Priority, askedPriority ?? Priority), MaxClientSequences = Running, Tenant = Tenant };

    internal void Join(HttpContext context) => context.Items[typeof(AccessKey)] = this;
}
