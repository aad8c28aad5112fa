// Types of meta/v1: what every object has, lists, selectors, options of deletes.

extension TypeText {
    static let meta = TypeText(
        package: "io.k8s.apimachinery.pkg.apis.meta.v1",
        #"""
        type ObjectMeta -- What every stored object has: its name, its marks, and what the server knows of its life.
          1 name string -- Unique among objects of its kind in the namespace; cannot be changed.
          2 generateName string -- A prefix to which the server adds a random suffix when name is empty.
          3 namespace string -- The scope of the name; empty for objects of the whole cluster. Cannot be changed.
          4 selfLink string -- Not used any more.
          5 uid string -- Made by the server; tells this object from earlier ones of its name.
          6 resourceVersion string -- The revision of the last change; sent with an update, it must still be the present one.
          7 generation int64 -- Counts the changes of what is wanted.
          8 creationTimestamp time -- When the server stored the object.
          9 deletionTimestamp time -- When the object is to be gone; set by the server at a delete that waits.
          10 deletionGracePeriodSeconds int64? -- How long it may take to end.
          11 labels {}string -- Names and values by which the object can be chosen.
          12 annotations {}string -- Names and values that are kept for other programs.
          13 ownerReferences []OwnerReference merge(uid) -- The objects that this one depends on; it goes when all of them are gone.
          14 finalizers []string merge() set -- What must be done before the object may go; who did it takes the entry out.
          17 managedFields []ManagedFieldsEntry -- Not kept by this server.
        type OwnerReference -- The object that this one belongs to, and with which it goes.
          5 apiVersion string! -- Group and version of the object.
          1 kind string!
          3 name string!
          4 uid string!
          6 controller bool? -- Whether this owner is the one that manages the object.
          7 blockOwnerDeletion bool? -- Whether the owner waits for this object when it is deleted in the foreground.
        type ManagedFieldsEntry -- Which client manages which fields; not kept by this server.
          1 manager string
          2 operation string
          3 apiVersion string -- Group and version of the object.
          4 time time
          6 fieldsType string
          7 fieldsV1 any
          8 subresource string
        type ListMeta -- What a list says about itself.
          1 selfLink string
          2 resourceVersion string
          3 continue string
          4 remainingItemCount int64?
        type LabelSelector -- Chooses objects by their labels; all parts must hold.
          1 matchLabels {}string -- Labels that must have these values.
          2 matchExpressions []LabelSelectorRequirement -- Requirements that must all hold.
        type LabelSelectorRequirement -- A key, an operator and values.
          1 key string!
          2 operator enum(In|NotIn|Exists|DoesNotExist)! -- How key and values relate: In, NotIn, Exists or DoesNotExist.
          3 values []string
        type FieldSelectorRequirement
          1 key string
          2 operator string
          3 values []string
        type Condition -- One aspect of an object's state.
          1 type string!
          2 status string! -- What was last observed; written by the system.
          3 observedGeneration int64
          4 lastTransitionTime time -- When it last changed.
          5 reason string -- Why, in a word.
          6 message string -- Why, for people.
        kind DeleteOptions -- How an object shall go.
          1 gracePeriodSeconds int64? -- Seconds until the object must be gone; 0 for at once.
          2 preconditions Preconditions -- The delete is refused unless these hold.
          3 orphanDependents bool?
          4 propagationPolicy string? -- What becomes of dependants: Orphan, Background or Foreground.
          5 dryRun []string
          6 ignoreStoreReadErrorWithClusterBreakingPotential bool?
        type Preconditions -- What must hold for a delete to be carried out.
          1 uid string?
          2 resourceVersion string?
        """#)
}
